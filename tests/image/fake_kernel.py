"""The smallest thing U-Boot takes for an arm64 kernel: it says a word and has the machine reset."""

import struct

UART = 0x09000000  # of qemu's board "virt": a PL011
SYSTEM_RESET = 0x84000009  # PSCI 0.2

MOVZ_X1_UART_HIGH = 0xD2A12001  # x1 = 0x0900 << 16
LDRB_W2_X0_POST_1 = 0x38401402  # w2 = *x0++
CBZ_W2_SKIP_3 = 0x34000062
STR_W2_X1 = 0xB9000022
B_BACK_3 = 0x17FFFFFD
MOVZ_W0 = 0x52800120  # w0 = 0x0009
MOVK_W0_HIGH = 0x72B08000  # w0 |= 0x8400 << 16
HVC_0 = 0xD4000002
B_HERE = 0x14000000
ADR_X0_AHEAD = 0x10000120  # the word stands behind these ten instructions, 9 * 4 from here

CODE = (
    MOVZ_X1_UART_HIGH,
    ADR_X0_AHEAD,
    LDRB_W2_X0_POST_1,
    CBZ_W2_SKIP_3,
    STR_W2_X1,
    B_BACK_3,
    MOVZ_W0,
    MOVK_W0_HIGH,
    HVC_0,
    B_HERE,
)
HEADER = 64


def fake_kernel(word):
    """Return an image that prints `word` and resets; the header is of Documentation/arch/arm64."""
    body = b"".join(struct.pack("<I", each) for each in CODE) + word.encode() + b"\n\0"
    branch = 0x14000000 | HEADER // 4
    size = HEADER + len(body)
    header = struct.pack("<IIQQQQQQ4sI", branch, 0, 0, size, 0, 0, 0, 0, b"ARM\x64", 0)
    return (header + body).ljust(4096, b"\0")
