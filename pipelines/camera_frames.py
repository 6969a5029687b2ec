# SPDX-License-Identifier: LGPL-2.1-or-later
"""Frames of a `cudacamsink` as arrays of NumPy, CuPy, PyTorch or Numba, without copying them.

    for frame in frames(sink, 'detector'):
        for plane in frame.planes():
            array = numpy.asarray(plane)            # system memory
            array = cupy.asarray(plane)             # GPU; torch.as_tensor(), numba.cuda.as_cuda_array()
            array = torch.from_dlpack(plane)        # both; numpy.from_dlpack() for system memory

A frame is on loan until the next one is asked for, and as long as anything made from it is there: a Plane,
an array. All of it is to be read, never to be written. Arrays in variables of the loop's body live until they are
assigned again, when the next frame has long come: then a reader holds two. With a function for the body, as
in reader.py, it holds one.

Work on a GPU runs on, when Python has long dropped the arrays it reads. Whoever names the CUDA stream of
that work, `frame.planes(stream)`, is safe: the GPU makes it wait until the frame is complete, and the
frame's memory is not written again before it has ended. torch.from_dlpack() and others that tell their
stream do so by themselves. Everybody else waits for their work, before they drop the arrays.
"""
import atexit
import collections
import contextlib
import ctypes
import functools
import threading
import weakref

import gi
gi.require_version('Gst', '1.0')
gi.require_version('GstCudaCam', '1.0')
from gi.repository import GLib, Gst, GstCudaCam  # noqa: E402

KDL_CPU, KDL_CUDA = 1, 2
DLPACK_NO_WAIT = -1
# Handles of the driver, and numbers of the array interfaces, for the default streams of whatever context is
# current; the second is one for each thread.
LEGACY_STREAM, PER_THREAD_STREAM = 1, 2


class Loan:
    """A lease, released when nobody refers to it any more: after the stream that reads it, if any."""

    def __init__(self, lease):
        self.lease = lease
        self._reader = None  # the stream, its context and, when it is a thread's default stream, the thread

    def read_on(self, stream):
        """The frame is complete for, and stays until the end of, what is queued on `stream`."""
        stream = stream or LEGACY_STREAM
        if stream in (LEGACY_STREAM, PER_THREAD_STREAM):
            context = current_context() or primary_context(device_of(self.lease.get_plane(0)[1].address))
        else:  # another stream is refused, whatever it is
            context = self._reader[1] if self._reader else context_of(stream)
        thread = threading.get_ident() if stream == PER_THREAD_STREAM else None
        reader = stream, context, thread
        if self._reader not in (None, reader):
            raise ValueError('this frame is read on another CUDA stream already: take a lease for each, or '
                             'make one stream wait for the other')
        with current(context):
            self.lease.wait_on_stream(stream)
        self._reader = reader

    def __del__(self):  # on any thread
        if self._reader is None:
            self.lease.release()
            return
        stream, context, thread = self._reader
        with current(context):
            if thread in (None, threading.get_ident()):
                with contextlib.suppress(GLib.Error):
                    self.lease.release_after(stream)
                    return
            # A stream that is out of reach or gone. Should this fail, nothing runs that could read the frame.
            driver().cuCtxSynchronize()
        self.lease.release()


@atexit.register
def leave_loans_to_the_end():
    """Arrays may outlive this module and all that it calls; what they keep goes with the process."""
    Loan.__del__ = lambda loan: None


class Plane:
    """The bytes of one plane, rows x row_bytes, as every array library takes them."""

    def __init__(self, loan, plane, stream):
        self._loan = loan
        self.on_gpu = bool(plane.on_gpu)
        self.address = plane.address
        self.shape = (plane.rows, plane.row_bytes)
        self.strides = (plane.pitch, 1)
        interface = {'version': 3, 'shape': self.shape, 'strides': self.strides, 'typestr': '|u1',
                     'data': (plane.address, not self.on_gpu)}
        # Which of the two there is tells libraries where the plane lies. PyTorch refuses those on a GPU
        # that are marked as read-only. A stream is one that the consumer has to wait for.
        if self.on_gpu:
            self.__cuda_array_interface__ = dict(interface, stream=stream)
        else:
            self.__array_interface__ = interface

    def __dlpack_device__(self):
        return (KDL_CUDA, device_of(self.address)) if self.on_gpu else (KDL_CPU, 0)

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        """As the protocol has it. Of version 0, whatever `max_version` is, which PyTorch, CuPy and NumPy all
        take; it knows no memory that is to be read only."""
        if copy:
            raise BufferError('frames are lent, not copied')
        if dl_device is not None and tuple(dl_device) != self.__dlpack_device__():
            raise BufferError(f'the frame is on device {self.__dlpack_device__()}')
        if self.on_gpu and stream != DLPACK_NO_WAIT:
            self._loan.read_on(stream)
        return dlpack_capsule(self)


Meta = collections.namedtuple('Meta', 'camera connection generation sequence capture_time')


class Frame:
    """One frame. It is given back as soon as it, or the turn of the loop that it was for, and its planes and all
    arrays made of them are gone."""

    def __init__(self, lease):
        self._loan = Loan(lease)

    def give_back(self):
        """Unless planes or arrays need it."""
        self._loan = None

    def _lease(self):
        if self._loan is None:
            raise ValueError('the frame was given back: make planes of it before you ask for the next')
        return self._loan.lease

    @property
    def meta(self):
        """Which frame it is, see GstCudaCamFrameMeta; `capture_time` is None when the camera does not say. None
        without a cudacampool."""
        meta = self._lease().get_frame_meta()
        if meta is None:
            return None
        time = meta.capture_time
        return Meta(meta.camera, meta.connection, meta.generation, meta.sequence,
                    None if time == Gst.CLOCK_TIME_NONE else time)

    def planes(self, stream=None):
        """`stream`: handle of the CUDA stream that the planes are going to be read on, as an int. Without
        one, waits until a frame on the GPU is complete."""
        lease = self._lease()
        found, plane = lease.get_plane(0)
        if found and plane.on_gpu:
            if stream is None:
                lease.wait()
            else:
                stream = stream or LEGACY_STREAM  # which 0 is, to the driver alone
                self._loan.read_on(stream)
        planes = []
        while found:
            planes.append(Plane(self._loan, plane, stream))
            found, plane = lease.get_plane(len(planes))
        return planes


def frames(sink, holder, patience=10 * Gst.SECOND):
    """The newest frame again and again. Raises GLib.Error (domain gst-cuda-cam-lease-error-quark) when none
    has come for `patience` nanoseconds, when the pipeline is stopped, or when the sink drains and waits for a frame
    that the caller has kept."""
    last = []

    def next_one():
        # Each holds a slot: none is kept while the caller waits for the next. Nor by us, when the caller drops it.
        for frame in filter(None, (reference() for reference in last)):
            frame.give_back()
        frame = Frame(GstCudaCam.Lender.acquire(sink, holder, patience))
        last[:] = [weakref.ref(frame)]
        return frame

    while True:
        yield next_one()


# --- CUDA, of which this needs no more than what ctypes reaches.

CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL = 9


@functools.lru_cache(maxsize=None)
def driver():
    return ctypes.CDLL('libcuda.so.1')


def cuda(name, *arguments):
    """Calls a function of the driver; raises RuntimeError with its name and code."""
    result = getattr(driver(), name)(*arguments)
    if result:
        text = ctypes.c_char_p()
        driver().cuGetErrorName(result, ctypes.byref(text))
        raise RuntimeError(f'{name}: {(text.value or b"unknown").decode()} ({result})')


def device_of(address):
    device = ctypes.c_int()
    cuda('cuPointerGetAttribute', ctypes.byref(device), CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL,
         ctypes.c_uint64(address))
    return device.value


def context_of(stream):
    """Handle of the context that a stream was made in."""
    context = ctypes.c_void_p()
    cuda('cuStreamGetCtx', ctypes.c_void_p(stream), ctypes.byref(context))
    return context.value


def current_context():
    """Handle of the context of this thread, or None."""
    context = ctypes.c_void_p()
    cuda('cuCtxGetCurrent', ctypes.byref(context))
    return context.value


@functools.lru_cache(maxsize=None)
def primary_context(device):
    """Handle of the context that CuPy, PyTorch and Numba use."""
    context, handle = ctypes.c_void_p(), ctypes.c_int()
    cuda('cuInit', 0)
    cuda('cuDeviceGet', ctypes.byref(handle), device)
    cuda('cuDevicePrimaryCtxRetain', ctypes.byref(context), handle)  # for the life of the process
    return context.value


@contextlib.contextmanager
def current(context):
    """With `context` as the one of this thread, if it is not None."""
    if context is None:
        yield
        return
    driver().cuCtxPushCurrent_v2(ctypes.c_void_p(context))
    try:
        yield
    finally:
        driver().cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))


def use_primary_context(pipeline, device=0):
    """Makes the elements of `pipeline` use the context that CuPy, PyTorch and Numba use as well: the memory
    of one context is not for kernels of another. To be called before the pipeline leaves NULL, by the thread
    that made it, whose current context it becomes: plugins leave one there that they have destroyed."""
    context, handle = ctypes.c_void_p(primary_context(device)), ctypes.c_int()
    cuda('cuCtxSetCurrent', context)
    cuda('cuDeviceGet', ctypes.byref(handle), device)
    library, core = ctypes.CDLL('libgstcuda-1.0.so.0'), ctypes.CDLL('libgstreamer-1.0.so.0')
    library.gst_cuda_context_new_wrapped.restype = ctypes.c_void_p
    library.gst_context_new_cuda_context.restype = ctypes.c_void_p
    if not library.gst_cuda_load_library():
        raise RuntimeError('GStreamer finds no CUDA driver')
    wrapped = library.gst_cuda_context_new_wrapped(context, handle)
    if not wrapped:
        raise RuntimeError('GStreamer refuses the primary context')
    shared = library.gst_context_new_cuda_context(ctypes.c_void_p(wrapped))
    core.gst_element_set_context(ctypes.c_void_p(hash(pipeline)), ctypes.c_void_p(shared))
    core.gst_mini_object_unref(ctypes.c_void_p(shared))
    core.gst_object_unref(ctypes.c_void_p(wrapped))


# --- DLPack: https://dmlc.github.io/dlpack/latest/c_api.html, version 0.

class DLTensor(ctypes.Structure):
    _fields_ = [('data', ctypes.c_void_p), ('device_type', ctypes.c_int32), ('device_id', ctypes.c_int32),
                ('ndim', ctypes.c_int32), ('code', ctypes.c_uint8), ('bits', ctypes.c_uint8),
                ('lanes', ctypes.c_uint16), ('shape', ctypes.POINTER(ctypes.c_int64)),
                ('strides', ctypes.POINTER(ctypes.c_int64)), ('byte_offset', ctypes.c_uint64)]


class DLManagedTensor(ctypes.Structure):
    pass


Deleter = ctypes.CFUNCTYPE(None, ctypes.POINTER(DLManagedTensor))
DLManagedTensor._fields_ = [('tensor', DLTensor), ('manager', ctypes.c_void_p), ('deleter', Deleter)]

CAPSULE_NAME = b'dltensor'
Destructor = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)
new_capsule = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, Destructor)(
    ('PyCapsule_New', ctypes.pythonapi))
is_capsule = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)(
    ('PyCapsule_IsValid', ctypes.pythonapi))
capsule_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(
    ('PyCapsule_GetPointer', ctypes.pythonapi))

exported = {}  # address of a tensor -> all that it points to, and the plane


@Deleter
def delete_tensor(tensor):
    exported.pop(ctypes.addressof(tensor.contents), None)


@Destructor
def delete_capsule(capsule):
    """A consumer renames the capsule; one that still has its name was not consumed."""
    if is_capsule(capsule, CAPSULE_NAME):
        exported.pop(capsule_pointer(capsule, CAPSULE_NAME), None)


# Consumers call these two also when this module is gone, at exit.
for callback in (delete_tensor, delete_capsule):
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(callback))


def dlpack_capsule(plane):
    shape, strides = (ctypes.c_int64 * 2)(*plane.shape), (ctypes.c_int64 * 2)(*plane.strides)
    device_type, device = plane.__dlpack_device__()
    tensor = DLManagedTensor(DLTensor(plane.address, device_type, device, 2, 1, 8, 1, shape, strides, 0), None,
                             delete_tensor)
    address = ctypes.addressof(tensor)
    exported[address] = (tensor, shape, strides, plane)
    return new_capsule(address, CAPSULE_NAME, delete_capsule)
