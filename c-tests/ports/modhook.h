/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A module that a kernel calls while it is there: by the hooks of the system, and by hooks of its own making. */
#ifndef MODHOOK_H
#define MODHOOK_H

#include <sys/module_hook.h>

MODULE_HOOK(compat_stat_hook, int, (int, int *));
MODULE_HOOK(compat_note_hook, void, (int));

/* One whose module is a plug-in. */
MODULE_HOOK(plugin_hook, int, (int));
struct plugin {
	void (*load)(struct plugin_hook_t *);
	void (*unload)(void);
};
extern const struct plugin plugin;

/* The same by hand. */
struct own_hook {
	struct localcount lc;
	int (*f)(int);
	bool hooked;
};

void own_hook_init(void);
void own_hook_fini(void);
int own_hook_set(struct own_hook *, int (*)(int));
int own_hook_unset(struct own_hook *);
int own_hook_call(struct own_hook *, int, int *);

int compat_load(int (*)(int, int *), void (*)(int));
int compat_unload(void);
int compat_stat(int, int *);
bool compat_note(int);
int plugin_call(int);

#endif
