#!/bin/sh
# Before the packages come: $1 is the root, $2 this folder. The initial RAM disk is made
# once, with the modules listed here instead of the host's or all there are.
set -eu
mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"
printf 'MODULES=list\nCOMPRESS=zstd\nRUNSIZE=10%%\n' > "$1/etc/initramfs-tools/conf.d/darasa"
cp "$2/modules" "$1/usr/share/initramfs-tools/modules.d/darasa"
# A service must not start while the root is being made.
printf '#!/bin/sh\nexit 101\n' > "$1/usr/sbin/policy-rc.d"
chmod 755 "$1/usr/sbin/policy-rc.d"
