#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""pipelines/camera_frames.py: camera-frames.py FOLDER_OF_IT, TAP on stdout.

Frames in system memory are read with NumPy. With cudaupload, on a GPU or a simulated one, planes are read
back with the driver from what __cuda_array_interface__ and DLPack say, and with PyTorch and CuPy where
they are installed.
"""
import gc
import threading

import tap
from frames_bench import (CUDA, HEIGHT, WIDTH, Camera, GLib, Stream, camera_frames, check_planes, expected_rows,
                          installed, numpy, on_gpu, read_back)


def numpy_views_are_the_frame():
    with Camera() as camera:
        planes = next(camera.frames).planes()
        check_planes([numpy.asarray(plane) for plane in planes])
        array = numpy.asarray(planes[0])
        assert array.ctypes.data == planes[0].address and not array.flags.writeable
        assert array.strides == planes[0].strides and array.strides[0] > WIDTH
        assert not hasattr(planes[0], '__cuda_array_interface__')


def numpy_takes_dlpack():
    with Camera() as camera:
        planes = next(camera.frames).planes()
        assert planes[0].__dlpack_device__() == (1, 0)
        arrays = [numpy.from_dlpack(plane) for plane in planes]
        check_planes(arrays)
        assert arrays[0].ctypes.data == planes[0].address


def an_array_keeps_the_lease(make):
    with Camera() as camera:
        array = make(next(camera.frames).planes()[0])
        before = array.copy()
        for _ in range(20):  # more frames than slots
            next(camera.frames)
        assert camera.outstanding() == 1
        assert (array == before).all()
        array = None
        assert camera.outstanding() == 0
        assert not camera_frames.exported


def a_numpy_view_keeps_the_lease():
    an_array_keeps_the_lease(numpy.asarray)


def a_dlpack_array_keeps_the_lease():
    an_array_keeps_the_lease(numpy.from_dlpack)


def arrays_outlive_the_pipeline():
    with Camera() as camera:
        array = numpy.from_dlpack(next(camera.frames).planes()[0])
    camera = None
    gc.collect()
    expected_rows(array)
    kept = [array]
    array = None
    thread = threading.Thread(target=kept.clear)
    thread.start()
    thread.join()
    assert not camera_frames.exported


def a_capsule_that_nobody_takes_ends():
    with Camera() as camera:
        next(camera.frames).planes()[0].__dlpack__()
        assert camera.outstanding() == 0 and not camera_frames.exported


def says_when_no_frame_comes():
    with Camera() as camera:
        stopped = camera.sink
    try:
        next(camera_frames.frames(stopped, 'test', 0))
    except GLib.Error as error:
        assert error.matches(GLib.quark_from_string('gst-cuda-cam-lease-error-quark'), 2), error
    else:
        raise AssertionError('a frame of a stopped pipeline')


# --- CUDA

def the_cuda_interface_tells_where_the_planes_are():
    with Camera(CUDA) as camera:
        planes = next(camera.frames).planes()
        assert all(plane.on_gpu and not hasattr(plane, '__array_interface__') for plane in planes)
        tells = [plane.__cuda_array_interface__ for plane in planes]
        for each in tells:
            assert each['version'] == 3 and each['typestr'] == '|u1' and each['stream'] is None
        check_planes([read_back(each['data'][0], each['shape'], each['strides']) for each in tells])


def the_cuda_interface_names_the_stream():
    with Stream() as stream, Camera(CUDA) as camera:
        frame = next(camera.frames)
        plane = frame.planes(stream)[0]
        assert plane.__cuda_array_interface__['stream'] == stream
        try:
            frame.planes(stream + 1)
        except ValueError:
            pass
        else:
            raise AssertionError('two streams on one loan')
        frame = plane = None
        assert camera.outstanding() == 0


def dlpack_tells_of_cuda():
    with Stream() as stream, Camera(CUDA) as camera:
        plane = next(camera.frames).planes()[0]
        assert plane.__dlpack_device__() == (2, 0)
        capsule = plane.__dlpack__(stream=stream)
        managed = camera_frames.DLManagedTensor.from_address(
            camera_frames.capsule_pointer(id(capsule), b'dltensor')).tensor
        assert (managed.device_type, managed.device_id, managed.ndim) == (2, 0, 2)
        assert (managed.code, managed.bits, managed.lanes, managed.byte_offset) == (1, 8, 1, 0)
        expected_rows(read_back(managed.data, tuple(managed.shape[:2]), tuple(managed.strides[:2])))
        plane = None
        assert camera.outstanding() == 1
        capsule = managed = None
        assert camera.outstanding() == 0


def pytorch_reads_frames():
    import torch
    with Camera(CUDA) as camera:
        for _ in range(20):
            check_planes([torch.from_dlpack(plane).cpu().numpy() for plane in next(camera.frames).planes()])
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            planes = next(camera.frames).planes(stream.cuda_stream)
            check_planes([torch.as_tensor(plane, device='cuda').cpu().numpy() for plane in planes])


def cupy_reads_frames():
    import cupy
    with Camera(CUDA) as camera:
        for _ in range(20):
            check_planes([cupy.asarray(plane).get() for plane in next(camera.frames).planes()])
            check_planes([cupy.from_dlpack(plane).get() for plane in next(camera.frames).planes()])


def main():
    tests = [
        numpy_views_are_the_frame, numpy_takes_dlpack,
        a_numpy_view_keeps_the_lease, a_dlpack_array_keeps_the_lease,
        arrays_outlive_the_pipeline, a_capsule_that_nobody_takes_ends, says_when_no_frame_comes]
    plan = [(test, None) for test in tests]
    plan += on_gpu(the_cuda_interface_tells_where_the_planes_are, the_cuda_interface_names_the_stream,
                   dlpack_tells_of_cuda)
    for module, test in {'torch': pytorch_reads_frames, 'cupy': cupy_reads_frames}.items():
        plan += on_gpu(test) if installed(module) else [(test, f'no {module}')]
    tap.run(plan)


if __name__ == '__main__':
    main()
