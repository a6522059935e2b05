# Which of the two systems starts, and when one is given up. Runs in U-Boot.
#
# The state is one sector of the partition "bootstate": BOOT_ORDER and the starts each slot
# still has. A start costs one; a system that finds itself well gives itself three again
# (RAUC, mark-good). One sector is written whole or not at all; where it is damaged all the
# same, its checksum says so and both slots count as fresh.
# The slot's own kernel, initial RAM disk, device tree and arguments are one unit with it.

echo "darasa: start"
${devtype} dev ${devnum}
part start ${devtype} ${devnum} bootstate state_start
if ${devtype} read ${pxefile_addr_r} ${state_start} 1; then
  env import -c ${pxefile_addr_r} 200 BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT || echo "darasa: no valid state, both slots are fresh"
fi
test -n "${BOOT_ORDER}" || setenv BOOT_ORDER "A B"
test -n "${BOOT_A_LEFT}" || setenv BOOT_A_LEFT 3
test -n "${BOOT_B_LEFT}" || setenv BOOT_B_LEFT 3

# The second turn is for a box whose power failed before any start came to an end: nobody is
# there to help it, so it begins anew. Whatever the order says, both slots are in it.
setenv slot
for turn in first second; do
  for each in ${BOOT_ORDER} A B; do
    if test -z "${slot}"; then
      if test "${each}" = "A" && test ${BOOT_A_LEFT} -gt 0; then
        setexpr BOOT_A_LEFT ${BOOT_A_LEFT} - 1
        setenv slot A; setenv slot_name root_a; setenv left ${BOOT_A_LEFT}
      fi
    fi
    if test -z "${slot}"; then
      if test "${each}" = "B" && test ${BOOT_B_LEFT} -gt 0; then
        setexpr BOOT_B_LEFT ${BOOT_B_LEFT} - 1
        setenv slot B; setenv slot_name root_b; setenv left ${BOOT_B_LEFT}
      fi
    fi
  done
  if test -z "${slot}"; then
    echo "darasa: no start is left, both slots get three"
    setenv BOOT_A_LEFT 3; setenv BOOT_B_LEFT 3
  fi
done

env export -c -s 200 ${pxefile_addr_r} BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT
${devtype} write ${pxefile_addr_r} ${state_start} 1 || echo "darasa: the state cannot be written"

part number ${devtype} ${devnum} ${slot_name} slot_part
part uuid ${devtype} ${devnum}:${slot_part} slot_uuid
setenv slot_args "quiet"
if load ${devtype} ${devnum}:${slot_part} ${pxefile_addr_r} /boot/args.env; then
  env import -t ${pxefile_addr_r} ${filesize} slot_args
fi
setenv bootargs "root=PARTUUID=${slot_uuid} ro rauc.slot=${slot} panic=10 ${slot_args}"
# Burnt into the chip: a copied card is another machine on another board.
if test -n "${cpuid#}"; then setenv bootargs "${bootargs} systemd.machine_id=${cpuid#}"; fi

setenv slot_fdt ${fdtcontroladdr}
if test -n "${fdtfile}"; then
  if load ${devtype} ${devnum}:${slot_part} ${fdt_addr_r} /boot/dtb/${fdtfile}; then setenv slot_fdt ${fdt_addr_r}; fi
fi
echo "darasa: slot ${slot}, ${left} left, ${bootargs}"
if load ${devtype} ${devnum}:${slot_part} ${kernel_addr_r} /boot/vmlinuz; then
  if load ${devtype} ${devnum}:${slot_part} ${ramdisk_addr_r} /boot/initrd.img; then
    booti ${kernel_addr_r} ${ramdisk_addr_r}:${filesize} ${slot_fdt}
  fi
fi
echo "darasa: slot ${slot} does not start"
reset
