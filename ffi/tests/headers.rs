// SPDX-License-Identifier: MIT OR Apache-2.0
//! The C headers that are generated say what the source says, in words and in layout. (That every header works by itself, as
//! C and as C++, is tested where they are installed: `c-tests/run.sh`.)
//!
//! `UPDATE_HEADERS=1 cargo test -p psref-ffi --test headers` (or `make headers`) writes the generated ones.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs, io::Write};

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The text of `include/psref/NAME.h`, from `ffi/src/NAME.rs` and `ffi/cbindgen/NAME.toml`.
fn generate(name: &str) -> String {
    let toml = here(&format!("cbindgen/{name}.toml"));
    let mut config = cbindgen::Config::from_file(&toml).unwrap_or_else(|why| panic!("{}: {why}", toml.display()));
    config.language = cbindgen::Language::C;
    config.style = cbindgen::Style::Tag;
    config.documentation_style = cbindgen::DocumentationStyle::Doxy;
    config.cpp_compat = true;
    config.usize_is_size_t = true;
    config.no_includes = true;
    // Counts the comment too: above the width of comments, or short functions are broken.
    config.line_length = 130;
    config.tab_width = 4;
    #[cfg(target_arch = "x86_64")]
    if name == "inline_abi" {
        config.after_includes = Some(inline_constants());
    }
    let source = here(&format!("src/{name}.rs"));
    let mut text = Vec::new();
    match cbindgen::Builder::new().with_config(config).with_src(&source).generate() {
        Ok(bindings) => bindings.write(&mut text),
        Err(why) => panic!("{}: {why}", source.display()),
    }
    for_c(&String::from_utf8(text).expect("cbindgen writes UTF-8"))
}

/// What inlined code knows of the library's structures and words. There is such code for x86-64 alone, and words that it reads.
#[cfg(target_arch = "x86_64")]
fn inline_constants() -> String {
    use psref::objpool::entry as pool;
    use psref::percpu::entry as percpu;
    use psref::psref::entry as hold;

    let mut text = format!(
        "\n\n/* The words that code reads whatever it does: the ABI's version. */\n#define PSREF_INLINE_WORDS \"{}\"\n#define PSREF_INLINE_THREAD \"{}\"\n",
        percpu::WORDS_NAME,
        percpu::THREAD_NAME
    );
    let mut part = |title: &str, constants: &[(&str, usize)]| {
        text += &format!("\n/* {title} */\n");
        for (name, value) in constants {
            text += &format!("#define PSREF_INLINE_{name} {value}\n");
        }
    };
    part(
        "In the process's words: what slow paths write and all others read.",
        &[
            ("RSEQ_OFFSET", percpu::WORDS_RSEQ_OFFSET),
            ("CPU_LIMIT", percpu::WORDS_CPU_LIMIT),
            ("GRACE", percpu::WORDS_GRACE),
            ("WAITED", percpu::WORDS_WAITED),
        ],
    );
    part(
        "In the thread's words, psref_inline_thread.",
        &[("THREAD_NUMBER", percpu::THREAD_NUMBER), ("THREAD_READING", percpu::THREAD_READING)],
    );
    part("log2 of the distance between two CPUs' memory.", &[("STRIPE_SHIFT", percpu::STRIPE_SHIFT as usize)]);
    part(
        "In a class.",
        &[
            ("CLASS_SLOTS", hold::CLASS_SLOTS),
            ("CLASS_LIMIT", hold::CLASS_LIMIT),
            ("CLASS_WAITERS", hold::CLASS_WAITERS),
        ],
    );
    part(
        "Which slot is a hold's home, of its address and its thread's number; times 8.",
        &[("HOME_MASK", hold::HOME_MASK)],
    );
    part("In what is counted.", &[("COUNT_GUARD", percpu::COUNT_GUARD), ("COUNT_CELLS", percpu::COUNT_CELLS)]);
    part(
        "In a pool.",
        &[
            ("POOL_LIMIT", pool::POOL_LIMIT),
            ("POOL_BASE", pool::POOL_BASE),
            ("POOL_RECIPROCAL", pool::POOL_RECIPROCAL),
            ("POOL_SPAN", pool::POOL_SPAN),
        ],
    );
    let of_magazine = |offset| pool::POOL_MAGAZINE + offset;
    part(
        "From a pool to what is in CPU 0's magazine; the next CPU's comes a stripe later.",
        &[
            ("POOL_MAGAZINE_GUARD", of_magazine(pool::GUARD)),
            ("POOL_MAGAZINE_COUNT", of_magazine(pool::COUNT)),
            ("POOL_MAGAZINE_ENTRIES", of_magazine(pool::ENTRIES)),
        ],
    );
    text.trim_end().to_owned()
}

/// What the benchmark computes memory from: `bench/sizes.h`.
fn sizes() -> String {
    use psref::{gate, objpool, percpu, psref as hold};

    let mut text = String::from(
        "// SPDX-License-Identifier: MIT OR Apache-2.0\n\
         // Bytes that the library takes. Generated from its constants by `make headers`.\n\
         #ifndef PSREF_BENCH_SIZES_H\n#define PSREF_BENCH_SIZES_H\n\n",
    );
    for (name, value, what) in [
        ("CLASS", hold::entry::CLASS_BYTES, "a class of psref"),
        ("CLASS_CPU", hold::entry::HOME_BYTES, "the same, on every CPU that its holds lie on"),
        ("SLOT", hold::entry::SLOT_BYTES, "a hold that found no room in these"),
        ("GATE", gate::entry::GATE_BYTES, "a device gate while it is closed"),
        ("CELL_CPU", percpu::entry::CELL_BYTES, "a localcount or a gate, on every CPU that uses it"),
        ("RECORD", percpu::entry::RECORD_BYTES, "a thread"),
        ("LINK", objpool::entry::LINK_BYTES, "an object of a pool (and one more in a strict one)"),
        ("MAGAZINE_CPU", objpool::entry::MAGAZINE_BYTES, "a pool, on every possible CPU and once in what all share"),
    ] {
        text += &format!("#define {:<18} {value:<4} // {what}\n", format!("BYTES_{name}"));
    }
    text + "\n#endif\n"
}

#[test]
fn sizes_that_the_benchmark_computes_with_are_those_of_the_source() {
    let (header, expected) = (here("../bench/sizes.h"), sizes());
    if fs::read_to_string(&header).is_ok_and(|text| text == expected) {
        return;
    }
    assert!(env::var_os("UPDATE_HEADERS").is_some(), "bench/sizes.h is not what the source says; run `make headers`");
    fs::write(&header, expected).expect("the header can be written");
}

/// Rust's habits in comments, turned into those of C: the heading "Safety" becomes the sentence it heads, and a comment
/// of one line takes one line.
fn for_c(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = String::new();
    let mut rest = &lines[..];
    while let [line, tail @ ..] = rest {
        rest = tail;
        if let (" * # Safety", [duty, tail @ ..]) = (*line, rest) {
            let duty = duty.trim_start_matches(" * ");
            out += &format!(" * Requires: {}{}", duty[..1].to_ascii_lowercase(), &duty[1..]);
            rest = tail;
        } else if let ("/**", [comment, end, tail @ ..]) = (line.trim(), rest)
            && end.trim() == "*/"
        {
            out += &format!("{line} {} */", comment.trim().trim_start_matches("* "));
            rest = tail;
        } else {
            assert!(!line.contains(" * #"), "a heading that C comments have no place for: {line}");
            out += line;
        }
        out.push('\n');
    }
    out
}

#[test]
fn committed_headers_are_those_of_the_source() {
    let mut stale = Vec::new();
    for toml in fs::read_dir(here("cbindgen")).expect("the folder is there") {
        let toml = toml.expect("the folder can be read").path();
        let name = toml.file_stem().expect("it is called NAME.toml").to_str().expect("names are ASCII");
        if name == "inline_abi" && cfg!(not(target_arch = "x86_64")) {
            continue;
        }
        let header = here(&format!("../include/psref/{name}.h"));
        let expected = generate(name);
        if fs::read_to_string(&header).is_ok_and(|text| text == expected) {
            continue;
        }
        match env::var_os("UPDATE_HEADERS") {
            Some(_) => fs::write(&header, expected).expect("the header can be written"),
            None => stale.push(header),
        }
    }
    assert!(stale.is_empty(), "not what the source says: {stale:?}; run `make headers` and look at the difference");
}

/// Compiles a text with every warning an error.
fn compile(language: &str, text: &str) {
    let (variable, default, standard) = match language {
        "c" => ("CC", "cc", "c11"),
        _ => ("CXX", "c++", "c++17"),
    };
    let compiler = env::var(variable).unwrap_or_else(|_| default.into());
    let mut words = compiler.split_whitespace();
    let mut child = Command::new(words.next().unwrap_or(default))
        .args(words)
        .args(["-x", language, &format!("-std={standard}"), "-Wall", "-Wextra", "-Wpedantic", "-Werror"])
        .args(["-fsyntax-only", "-I"])
        .arg(here("../include"))
        .arg("-")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap_or_else(|why| panic!("{compiler}: {why}"));
    child.stdin.take().expect("it is a pipe").write_all(text.as_bytes()).expect("the compiler reads");
    assert!(child.wait().expect("it is our child").success(), "{compiler} refuses, as {language}:\n{text}");
}

#[test]
fn layouts_are_those_of_the_kernels() {
    use psref_ffi::psref::{psref, psref_target};
    use std::mem::offset_of;

    assert_eq!((size_of::<psref_target>(), size_of::<psref>()), (16, 40));
    let mut text = String::from(
        "#include <psref.h>\n#include <stddef.h>\n#ifndef __cplusplus\n#define static_assert _Static_assert\n#endif\n",
    );
    let mut check = |what: &str, value: usize| {
        text += &format!("static_assert({what} == {value}, \"{what} is {value} in Rust\");\n");
    };
    check("sizeof(struct psref_target)", size_of::<psref_target>());
    check("sizeof(struct psref)", size_of::<psref>());
    check("offsetof(struct psref_target, prt_class)", offset_of!(psref_target, prt_class));
    check("offsetof(struct psref_target, prt_draining)", offset_of!(psref_target, prt_draining));
    check("offsetof(struct psref_target, prt_drained)", offset_of!(psref_target, prt_drained));
    check("offsetof(struct psref_target, prt_place)", offset_of!(psref_target, prt_place));
    check("offsetof(struct psref, psref_entry)", offset_of!(psref, psref_entry));
    check("offsetof(struct psref, psref_debug)", offset_of!(psref, psref_debug));
    check("offsetof(struct psref, psref_target)", offset_of!(psref, psref_target));
    check("offsetof(struct psref, psref_lwp)", offset_of!(psref, psref_lwp));
    check("offsetof(struct psref, psref_cpu)", offset_of!(psref, psref_cpu));
    compile("c", &text);
    compile("c++", &text);
}
