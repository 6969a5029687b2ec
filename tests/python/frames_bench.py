# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tests of pipelines/camera_frames.py share: cameras, streams of a GPU. Their first
argument is its folder; they exit with 77 without PyGObject, NumPy or the introspection data."""
import ctypes
import gc
import sys

sys.path.insert(0, sys.argv[1])
try:
    import numpy
    import camera_frames
    from camera_frames import GLib, Gst, cuda  # noqa: F401
except (ImportError, ValueError) as missing:
    print(missing, file=sys.stderr)
    sys.exit(77)

WIDTH, HEIGHT = 50, 34  # odd enough for a pitch that is not the width
NEUTRAL = 128
SOURCE = (f'videotestsrc is-live=true pattern=gradient ! video/x-raw,format=NV12,width={WIDTH},'
          f'height={HEIGHT},framerate=100/1 ! ')


class Camera:
    def __init__(self, memory='', sink=''):
        upload = 'cudaupload ! ' if memory else ''
        self.pipeline = Gst.parse_launch(
            f'{SOURCE}{upload}cudacampool slots=8 name=pool ! video/x-raw{memory} ! cudacamsink name=sink {sink}')
        self.sink = self.pipeline.get_by_name('sink')
        if memory:
            camera_frames.use_primary_context(self.pipeline)

    def __enter__(self):
        self.pipeline.set_state(Gst.State.PLAYING)
        self.frames = camera_frames.frames(self.sink, 'test')
        return self

    def __exit__(self, *_):
        self.frames = None
        self.pipeline.set_state(Gst.State.NULL)

    def outstanding(self):
        gc.collect()
        return self.sink.get_property('statistics').get_uint('outstanding')[1]


def expected_rows(values):
    """The gradient: rows of one value that do not fall."""
    assert (values == values[:, :1]).all(), values
    assert (numpy.diff(values[:, 0].astype(int)) >= 0).all()
    assert values[0, 0] < 60 < 180 < values[-1, 0], values[:, 0]


def check_planes(arrays):
    luma, chroma = arrays
    assert luma.shape == (HEIGHT, WIDTH) and chroma.shape == (HEIGHT // 2, WIDTH), (luma.shape, chroma.shape)
    expected_rows(luma)
    assert (chroma == NEUTRAL).all()


# --- CUDA

def read_back(address, shape, strides):
    """With the primary context, which the frames are in."""
    context, previous, device = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_int()
    cuda('cuDeviceGet', ctypes.byref(device), 0)
    cuda('cuDevicePrimaryCtxRetain', ctypes.byref(context), device)
    cuda('cuCtxPushCurrent_v2', context)
    result = numpy.empty(shape, numpy.uint8)
    for row in range(shape[0]):
        cuda('cuMemcpyDtoH_v2', ctypes.c_void_p(result[row:].ctypes.data),
             ctypes.c_uint64(address + row * strides[0]), ctypes.c_size_t(shape[1]))
    cuda('cuCtxPopCurrent_v2', ctypes.byref(previous))
    cuda('cuDevicePrimaryCtxRelease_v2', device)
    return result


class Stream:
    """A CUDA stream of the primary context."""

    def __enter__(self):
        context, self.device, self.handle = ctypes.c_void_p(), ctypes.c_int(), ctypes.c_void_p()
        cuda('cuInit', 0)
        cuda('cuDeviceGet', ctypes.byref(self.device), 0)
        cuda('cuDevicePrimaryCtxRetain', ctypes.byref(context), self.device)
        cuda('cuCtxPushCurrent_v2', context)
        cuda('cuStreamCreate', ctypes.byref(self.handle), 1)
        return self.handle.value

    def __exit__(self, *_):
        previous = ctypes.c_void_p()
        cuda('cuStreamDestroy_v2', self.handle)
        cuda('cuCtxPopCurrent_v2', ctypes.byref(previous))
        cuda('cuDevicePrimaryCtxRelease_v2', self.device)


CUDA = '(memory:CUDAMemory)'


def installed(module):
    try:
        __import__(module)
    except ImportError:
        return False
    return True


def on_gpu(*tests):
    lacks = None if Gst.ElementFactory.find('cudaupload') else 'no cudaupload'
    return [(test, lacks) for test in tests]


Gst.init(None)
