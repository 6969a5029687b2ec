#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""share_with.py torch|cupy|driver: an application whose library owns the primary CUDA context reads leased
frames without a copy, through __cuda_array_interface__. Exit status 77 where the library is not there;
`driver` takes the driver itself in its place.

It calls the C API through ctypes: on a GPU host without GStreamer there is no PyGObject either.
"""
import ctypes
import importlib
import sys

SKIPPED = 77
FRAMES = 40
NONE = 2**64 - 1  # GST_CLOCK_TIME_NONE

gst = ctypes.CDLL('libgstreamer-1.0.so.0')
gst_cuda = ctypes.CDLL('libgstcuda-1.0.so.0')
cudacam = ctypes.CDLL('libgstcudacam-1.0.so.0')
cuda = ctypes.CDLL('libcuda.so.1')
for function in (gst.gst_parse_launch, gst.gst_bin_get_by_name,
                 gst_cuda.gst_cuda_context_new_wrapped, gst_cuda.gst_context_new_cuda_context,
                 cudacam.gst_cuda_cam_lender_acquire):
    function.restype = ctypes.c_void_p
pointer, number = ctypes.c_void_p, ctypes.c_uint64


class Plane(ctypes.Structure):  # GstCudaCamPlane
    _fields_ = [('address', number), ('pitch', number), ('row_bytes', number),
                ('rows', ctypes.c_uint), ('on_gpu', ctypes.c_int), ('reserved', pointer * 4)]

    @property
    def __cuda_array_interface__(self):
        # PyTorch refuses arrays that are marked as read-only.
        return {'version': 3, 'typestr': '|u1', 'data': (self.address, False),
                'shape': (self.rows, self.row_bytes), 'strides': (self.pitch, 1)}


class Copy2D(ctypes.Structure):  # CUDA_MEMCPY2D
    _fields_ = [(side + name, kind) for side in ('src', 'dst') for name, kind in (
        ('XInBytes', ctypes.c_size_t), ('Y', ctypes.c_size_t), ('MemoryType', ctypes.c_int),
        ('Host', pointer), ('Device', number), ('Array', pointer), ('Pitch', ctypes.c_size_t))]
    _fields_ += [('WidthInBytes', ctypes.c_size_t), ('Height', ctypes.c_size_t)]


def check(result, call):
    if result:
        sys.exit(f'{call} failed with {result}')


def copied_sum(plane):
    """The plane's sum, by way of the driver and the processor."""
    rows = (ctypes.c_uint8 * (plane.row_bytes * plane.rows))()
    copy = Copy2D(srcMemoryType=2, srcDevice=plane.address, srcPitch=plane.pitch, dstMemoryType=1,
                  dstHost=ctypes.addressof(rows), dstPitch=plane.row_bytes,
                  WidthInBytes=plane.row_bytes, Height=plane.rows)
    check(cuda.cuMemcpy2D_v2(ctypes.byref(copy)), 'cuMemcpy2D')
    return sum(rows)


def start(name):
    """Makes the library's context the current one; returns how it sums a plane up."""
    if name == 'driver':
        context = pointer()
        check(cuda.cuInit(0), 'cuInit')
        check(cuda.cuCtxCreate_v2(ctypes.byref(context), 0, 0), 'cuCtxCreate')
        return copied_sum
    try:
        library = importlib.import_module(name)
    except ImportError as missing:
        print(f'skipped: {missing}')
        sys.exit(SKIPPED)
    if name == 'torch':
        library.zeros(1, device='cuda')
        return lambda plane: int(library.as_tensor(plane, device='cuda').sum(dtype=library.int64))
    library.zeros(1)
    return lambda plane: int(library.asarray(plane).sum(dtype='int64'))


def main():
    library_sum = start(sys.argv[1])
    context = pointer()
    check(cuda.cuCtxGetCurrent(ctypes.byref(context)), 'cuCtxGetCurrent')
    gst.gst_init(None, None)
    if not gst_cuda.gst_cuda_load_library():
        print('skipped: no CUDA driver')
        sys.exit(SKIPPED)
    gst_cuda.gst_cuda_memory_init_once()
    # The library keeps its context for as long as the process lives.
    shared = pointer(gst_cuda.gst_cuda_context_new_wrapped(context, 0))
    pipeline = pointer(gst.gst_parse_launch(
        b'videotestsrc is-live=true ! video/x-raw,format=I420,width=640,height=360,framerate=60/1 ! '
        b'x264enc tune=zerolatency speed-preset=ultrafast ! h264parse ! nvh264dec ! '
        b'cudacampool name=pool ! video/x-raw(memory:CUDAMemory),format=NV12 ! cudacamsink name=sink', None))
    if not pipeline:
        sys.exit('an element is missing')
    # nvcodec, when it is loaded, may leave a context of its own current on this thread, and destroyed.
    check(cuda.cuCtxSetCurrent(context), 'cuCtxSetCurrent')
    gst.gst_element_set_context(pipeline, pointer(gst_cuda.gst_context_new_cuda_context(shared)))
    sink = pointer(gst.gst_bin_get_by_name(pipeline, b'sink'))
    gst.gst_element_set_state(pipeline, 4)
    sums = set()
    for _ in range(FRAMES):
        lease = pointer(cudacam.gst_cuda_cam_lender_acquire(sink, b'reader', number(10**10), None))
        if not lease:
            sys.exit('no frame')
        if not cudacam.gst_cuda_cam_lease_wait(lease, None):
            sys.exit('the frame was never complete')
        for index in range(2):
            plane = Plane()
            if not cudacam.gst_cuda_cam_lease_get_plane(lease, index, ctypes.byref(plane)):
                sys.exit(f'no plane {index}')
            if not plane.on_gpu:
                sys.exit('the frame is not on the GPU')
            seen, there = library_sum(plane), copied_sum(plane)
            if seen != there:
                sys.exit(f'{sys.argv[1]} sees {seen} in plane {index}, the frame holds {there}')
            sums.add(seen)
        cudacam.gst_cuda_cam_lease_unref(lease)
    gst.gst_element_set_state(pipeline, 1)
    if len(sums) < FRAMES // 4:
        sys.exit('the frames are all the same')
    print(f'{FRAMES} frames shared with {sys.argv[1]}')


if __name__ == '__main__':
    main()
