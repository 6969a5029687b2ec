#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Says why no NVIDIA GPU can be used here, and ends with status 1; without a word and with 0 where one can."""
import ctypes
import sys

# What a user can do about it; see CUresult in cuda.h.
MEANINGS = {
    100: 'there is no GPU that this driver knows; does nvidia-smi show one?',
    803: 'the driver\'s library and its kernel module are of different versions: restart the machine',
    804: 'the driver is too old for the CUDA compatibility libraries in use',
    999: 'the kernel module does not work; what does nvidia-smi say?',
}


def load(name):
    try:
        return ctypes.CDLL(name)
    except OSError:
        return None


def why_not():
    """A sentence, or '' where decoding on a GPU is possible. What a driver starts does not survive a fork:
    to be asked in a process of its own."""
    cuda = load('libcuda.so.1')
    if not cuda:
        return 'The NVIDIA driver is not installed: there is no libcuda.so.1.'
    code = cuda.cuInit(0)
    if code:
        return f'The NVIDIA driver does not start (cuInit gave {code}): {MEANINGS.get(code, "see nvidia-smi")}.'
    count = ctypes.c_int()
    if cuda.cuDeviceGetCount(ctypes.byref(count)) or not count.value:
        return 'The NVIDIA driver knows no GPU.'
    if not load('libnvcuvid.so.1'):
        return ('The NVIDIA driver is installed without its decoders: there is no libnvcuvid.so.1. It is in the '
                'package libnvidia-decode-... on Ubuntu, libnvcuvid1 on Debian; a container needs "video" in '
                'NVIDIA_DRIVER_CAPABILITIES.')
    return ''


if __name__ == '__main__':
    reason = why_not()
    if reason:
        print(reason, file=sys.stderr)
    sys.exit(bool(reason))
