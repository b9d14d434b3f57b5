#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# numa-vm.sh: runs a command on an emulated machine with the NUMA nodes you ask for. Needs no root and no KVM.
#
#   numa-vm.sh [options] NODES 'COMMAND' [FILE[:GUESTPATH]]...
#
# NODES    4x2           four nodes of two CPUs each
#          2,2:0,0:512   node by node, CPUS[:MIB]: here node 1 has no memory and node 2 has no CPU
# COMMAND  runs under busybox sh, as root, in /tmp; its output and exit status are ours.
# FILE     is put into the guest's /bin, or at GUESTPATH, together with the shared libraries it is linked with.
#
#   -m MIB   memory of a node that does not say (256)
#   -x N     N more CPUs that are possible but absent, on the last node
#   -t SEC   time limit (300)
#   -k FILE  kernel to boot, instead of Debian's cloud kernel (see below)
#   -K ARGS  more arguments for the kernel, such as 'maxcpus=3'
#   -q ARGS  more arguments for qemu, such as '-singlestep'
#   -i       the guest's clock counts instructions, a nanosecond each: the same in every run. For one CPU (and absent
#            ones): with more, qemu 7.2 hangs where one of them waits for another
#
# Nodes form a ring: neighbours have distance 20, theirs 30, and so on. Exit status 124: out of time; 125: the guest
# ended without a status, and the end of its console is shown; 126: something is missing on this machine.
#
# Without -k the kernel comes from the package that linux-image-cloud-amd64 stands for: downloaded by apt, unpacked, not
# installed, and kept in $NUMA_VM_CACHE (~/.cache/numa-vm). This is for placement, not for races: emulation never
# interrupts straight-line code.
set -euo pipefail

usage() { sed -n '3,/^set /{ /^#/s/^# \{0,1\}//p }' "$0" >&2; exit 2; }
die() { echo "numa-vm: $2" >&2; exit "$1"; }
need() { command -v "$1" >/dev/null || die 126 "$1 is missing; it comes with the Debian package $2"; }

mib=256 absent=0 limit=300 kernel='' kernel_args='' qemu_args='' counted=''
while getopts m:x:t:k:K:q:i option; do
    case $option in
    m) mib=$OPTARG ;;
    x) absent=$OPTARG ;;
    t) limit=$OPTARG ;;
    k) kernel=$OPTARG ;;
    K) kernel_args=$OPTARG ;;
    q) qemu_args=$OPTARG ;;
    i) counted=yes ;;
    *) usage ;;
    esac
done
shift $((OPTIND - 1))
[ $# -ge 2 ] || usage
nodes=$1 command=$2
shift 2
[[ $nodes =~ ^([0-9]+x[0-9]+|[0-9]+(:[0-9]+)?(,[0-9]+(:[0-9]+)?)*)$ ]] || usage

need qemu-system-x86_64 qemu-system-x86
need busybox busybox-static
need cpio cpio
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The kernel.
cache=${NUMA_VM_CACHE:-$HOME/.cache/numa-vm}
mkdir -p "$cache"
cached() { find "$cache" -name 'vmlinuz-*' | sort -V | tail -n 1; }
download() {
    need apt-get apt
    local package
    package=$(apt-cache depends linux-image-cloud-amd64 | awk '$1 == "Depends:" { print $2; exit }')
    [ -n "$package" ] || die 126 "apt knows no linux-image-cloud-amd64: name a kernel by -k"
    (cd "$work" && apt-get -q -o APT::Sandbox::User=root download "$package" >/dev/null) &&
        dpkg-deb -x "$work"/linux-image-*.deb "$work/kernel" ||
        die 126 "cannot download $package: name a kernel by -k"
    # Renamed into place: several may download at once.
    local image
    for image in "$work"/kernel/boot/vmlinuz-*; do
        cp "$image" "$cache/.${image##*/}.$$"
        mv "$cache/.${image##*/}.$$" "$cache/${image##*/}"
    done
}
[ -n "$kernel" ] || kernel=$(cached)
[ -n "$kernel" ] || { download; kernel=$(cached); }
[ -r "$kernel" ] || die 126 "cannot read the kernel $kernel"

# The guest's files. Its init shows the command's output on one serial line and the exit status on another, for the
# kernel writes to the first.
root=$work/root
mkdir -p "$root"/{bin,dev,proc,sys,tmp}
put() { # FILE GUESTPATH
    [ -r "$1" ] || die 126 "cannot read $1"
    mkdir -p "$root/${2%/*}"
    cp -L "$1" "$root/$2"
    local library
    for library in $(ldd "$1" 2>/dev/null | grep -o '/[^ ]*'); do
        [ -e "$root$library" ] || { mkdir -p "$root${library%/*}" && cp -L "$library" "$root$library"; }
    done
}
put "$(command -v busybox)" /bin/busybox
for file; do
    case $file in
    *:*) put "${file%%:*}" "${file#*:}" ;;
    *) put "$file" "/bin/${file##*/}" ;;
    esac
done
printf '%s\n' "$command" >"$root/command"
cat >"$root/init" <<'END'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/tmp
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir /dev/shm
mount -t tmpfs tmp /tmp
mount -t tmpfs shm /dev/shm
stty -F /dev/ttyS1 raw -echo
stty -F /dev/ttyS2 raw -echo
cd /tmp
sh /command </dev/null >/dev/ttyS1 2>&1
echo $? >/dev/ttyS2
poweroff -f
END
chmod +x "$root/init"
(cd "$root" && find . | cpio --quiet -o -H newc | gzip -1) >"$work/initrd"

# The nodes.
if [[ $nodes =~ ^([0-9]+)x([0-9]+)$ ]]; then
    node=()
    for ((i = 0; i < BASH_REMATCH[1]; i++)); do node+=("${BASH_REMATCH[2]}"); done
else
    IFS=, read -ra node <<<"$nodes"
fi
count=${#node[@]} cpus=0 memory=0 machine=()
for ((i = 0; i < count; i++)); do
    IFS=: read -r own_cpus own_mib <<<"${node[i]}"
    own_mib=${own_mib:-$mib}
    spec=node,nodeid=$i
    # Absent CPUs need a node too, by qemu's rules.
    last=$((cpus + own_cpus - 1 + (i + 1 == count ? absent : 0)))
    [ "$last" -lt "$cpus" ] || spec+=,cpus=$cpus-$last
    if [ "$own_mib" -gt 0 ]; then
        machine+=(-object "memory-backend-ram,id=memory$i,size=${own_mib}M")
        spec+=,memdev=memory$i
    fi
    machine+=(-numa "$spec")
    cpus=$((cpus + own_cpus)) memory=$((memory + own_mib))
    for ((j = 0; j < i; j++)); do
        steps=$((i - j <= count - i + j ? i - j : count - i + j))
        machine+=(-numa "dist,src=$j,dst=$i,val=$((10 + 10 * steps))")
    done
done
possible=$((cpus + absent))
machine+=(-m "${memory}M" -smp "$cpus,maxcpus=$possible,sockets=$possible,cores=1,threads=1")
# no_timer_check: where the host is busy, the emulated timer may look broken to the kernel, which then gives up.
# Above 16 CPUs one host thread for all of them boots many times faster than one for each.
threads=multi
[ "$cpus" -le 16 ] || threads=single
if [ -n "$counted" ]; then
    [ "$cpus" = 1 ] || die 2 "-i is for one CPU"
    threads=single machine+=(-icount 'shift=0,sleep=off')
fi

status=0
# shellcheck disable=SC2086 # kernel and qemu arguments are lists
timeout -k 5 "$limit" qemu-system-x86_64 -M q35 -cpu max -accel "tcg,thread=$threads" "${machine[@]}" \
    -kernel "$kernel" -initrd "$work/initrd" -append "console=ttyS0 panic=-1 edd=off no_timer_check $kernel_args" \
    -nodefaults -display none -no-reboot \
    -serial "file:$work/console" -serial stdio -serial "file:$work/status" $qemu_args </dev/null || status=$?
case $status in 124 | 137) die 124 "no end after $limit s" ;; esac
answer=$(tr -dc 0-9 <"$work/status" 2>/dev/null || true)
[ -n "$answer" ] || {
    tail -n 25 "$work/console" >&2 || true
    die 125 "the guest ended without a status (qemu: $status); above is its console"
}
exit "$answer"
