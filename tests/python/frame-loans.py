#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How long frames of pipelines/camera_frames.py are on loan, and on which CUDA streams they are read:
frame-loans.py FOLDER_OF_IT, TAP on stdout."""
import contextlib
import io
import os
import subprocess
import sys
import threading

import tap
from frames_bench import CUDA, Camera, GLib, Stream, camera_frames, installed, numpy, on_gpu


class Complaints:
    """What Python would print of exceptions that nobody can catch, those of __del__ among them."""

    def __enter__(self):
        self.seen = []
        sys.unraisablehook = lambda what: self.seen.append(repr(what.exc_value))
        return self.seen

    def __exit__(self, *_):
        sys.unraisablehook = sys.__unraisablehook__


def in_another_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def a_loop_holds_one_frame_at_a_time():
    def brightest(frame):
        return numpy.asarray(frame.planes()[0]).max()

    with Camera(sink='max-leases=1') as camera:
        for number, frame in enumerate(camera.frames):
            assert brightest(frame) > 180
            if number == 5:
                break
        assert camera.outstanding() == 1
        next(camera.frames)  # and drops it
        assert camera.outstanding() == 0
        try:
            frame.planes()
        except ValueError:
            pass
        else:
            raise AssertionError('planes of a frame that was given back')


def an_array_lasts_longer_than_its_turn_in_the_loop():
    with Camera() as camera:
        kept = []
        for frame in camera.frames:
            kept.append(numpy.asarray(frame.planes()[0]))
            if len(kept) == 3:
                break
        frame = None
        assert camera.outstanding() == 3
        kept.clear()
        assert camera.outstanding() == 0


def a_frame_says_which_one_it_is():
    with Camera() as camera:
        frames = [next(camera.frames).meta for _ in range(3)]
    assert [meta.camera for meta in frames] == ['pool'] * 3, frames
    assert [meta.generation for meta in frames] == [1] * 3, frames
    assert frames[0].sequence < frames[1].sequence < frames[2].sequence, frames
    assert frames[0].capture_time is None


def dlpack_does_what_it_is_asked_for_or_refuses():
    with Camera() as camera:
        plane = next(camera.frames).planes()[0]
        plane.__dlpack__(max_version=(1, 0), dl_device=(1, 0), copy=False)
        for wish in ({'copy': True}, {'dl_device': (2, 0)}):
            try:
                plane.__dlpack__(**wish)
            except BufferError:
                continue
            raise AssertionError(f'{wish} was ignored')
        assert not camera_frames.exported


# What is kept where it dies after camera_frames, before or after it is taken apart, or never.
AT_EXIT = '''
import sys
import numpy
from camera_frames import Gst, frames
Gst.init(None)
pipeline = Gst.parse_launch(
    'videotestsrc is-live=true ! video/x-raw,format=GRAY8 ! cudacampool slots=8 ! cudacamsink name=sink')
pipeline.set_state(Gst.State.PLAYING)
frame = next(frames(pipeline.get_by_name('sink'), 'reader'))
{}.kept = {}
'''


def arrays_may_outlive_everything_at_exit():
    plane = 'frame.planes()[0]'
    for kept in (('numpy', 'frame'), ('numpy', f'numpy.asarray({plane})'), ('numpy', f'numpy.from_dlpack({plane})'),
                 ('sys', f'numpy.from_dlpack({plane})'), ('sys', f'{plane}.__dlpack__()')):
        ended = subprocess.run([sys.executable, '-c', AT_EXIT.format(*kept)], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True,
                               env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)})
        assert ended.returncode == 0 and not ended.stdout, (kept, ended.returncode, ended.stdout)


def a_release_that_cannot_be_ordered_waits_for_the_gpu():
    class Lease:
        done = []

        def get_plane(self, _):
            return False, None

        def wait_on_stream(self, stream):
            self.done.append(('wait', stream))

        def release_after(self, stream):
            self.done.append(('release after', stream))
            raise GLib.Error('no such stream')

        def release(self):
            self.done.append('release')

    class Driver:
        def cuStreamGetCtx(self, stream, context):
            context._obj.value = 42
            return 0

        def cuCtxPushCurrent_v2(self, context):
            Lease.done.append(('enter', context.value))

        def cuCtxSynchronize(self):
            Lease.done.append('synchronise')

        def cuCtxPopCurrent_v2(self, _):
            Lease.done.append('leave')

    before, camera_frames.driver = camera_frames.driver, Driver
    try:
        loan = camera_frames.Loan(Lease())
        loan.read_on(7)
        del loan
    finally:
        camera_frames.driver = before
    # In the stream's context, whichever this thread has.
    assert Lease.done == [('enter', 42), ('wait', 7), 'leave', ('enter', 42), ('release after', 7), 'synchronise',
                          'leave', 'release'], Lease.done


def reader_says_what_is_wrong():
    for pipeline, says in (('fakesrc ! fakesink', 'cudacamsink name=sink'), ('no-such-element', 'no-such-element')):
        ended = subprocess.run([sys.executable, os.path.join(sys.argv[1], 'reader.py'), pipeline, '1'],
                               stderr=subprocess.PIPE, text=True)
        assert ended.returncode == 1 and says in ended.stderr and 'Traceback' not in ended.stderr, ended


# --- CUDA

def the_reader_shares_its_context_with_whatever_decodes():
    """Nothing in a pipeline's text tells whether its decoder has frames on the GPU."""
    import reader
    shared, before = [], (reader.use_primary_context, sys.argv)
    reader.use_primary_context = shared.append
    sys.argv = ['reader.py', 'videotestsrc is-live=true ! cudacampool ! cudacamsink name=sink', '1']
    try:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            reader.main()
    finally:
        reader.use_primary_context, sys.argv = before
    assert len(shared) == 1 and float(printed.getvalue()) > 0, (shared, printed.getvalue())


def the_reader_says_what_it_lacks():
    source = (f'videotestsrc is-live=true ! cudaupload ! video/x-raw{CUDA} ! cudacampool ! '
              'cudacamsink name=sink')
    ended = subprocess.run([sys.executable, os.path.join(sys.argv[1], 'reader.py'), source, '1'],
                           stderr=subprocess.PIPE, text=True)
    assert ended.returncode == 77 and 'cupy' in ended.stderr and 'Traceback' not in ended.stderr, ended


def the_default_stream_has_a_handle_that_says_so():
    with Camera(CUDA) as camera:
        plane = next(camera.frames).planes(0)[0]
        assert plane.__cuda_array_interface__['stream'] == 1, plane.__cuda_array_interface__


class Spy:
    """A lease that notes what it is asked for, and in which context."""

    def __init__(self, lease, asked):
        self.lease, self.asked = lease, asked

    def __getattr__(self, name):
        return getattr(self.lease, name)

    def wait_on_stream(self, stream):
        self.asked.append(('wait', stream, camera_frames.current_context()))
        return self.lease.wait_on_stream(stream)

    def release_after(self, stream):
        self.asked.append(('release after', stream, camera_frames.current_context()))
        return self.lease.release_after(stream)

    def release(self):
        self.asked.append('release')
        self.lease.release()


def taken(camera, stream, kept):
    """Takes a frame to read it on `stream`, as consumers of DLPack do. Returns what its lease is asked for."""
    frame, asked = next(camera.frames), []
    frame._loan.lease = Spy(frame._loan.lease, asked)
    kept.append(frame.planes()[0].__dlpack__(stream=stream))
    return asked


def in_order(stream):
    context = camera_frames.primary_context(0)
    return [('wait', stream, context), ('release after', stream, context)]


def a_loan_ends_on_any_thread():
    with Camera(CUDA) as camera, Stream(), Complaints() as complaints:
        for stream in (None, 1):
            kept = []
            asked = taken(camera, stream, kept)
            in_another_thread(kept.clear)
            assert asked == in_order(1), asked
            assert not complaints and not camera_frames.exported, complaints
            assert camera.outstanding() == 0


def a_loan_begins_on_any_thread():
    with Camera(CUDA) as camera, Complaints() as complaints:
        for stream in (None, 1):
            kept, asked = [], []
            in_another_thread(lambda: asked.extend([taken(camera, stream, kept)]))
            kept.clear()
            assert asked == [in_order(1)], asked
            assert not complaints, complaints
            assert camera.outstanding() == 0


def another_thread_cannot_name_the_default_stream_of_this_one():
    with Camera(CUDA) as camera, Stream():
        kept = []
        asked = taken(camera, 2, kept)
        kept.clear()
        assert asked == in_order(2), asked
        asked = taken(camera, 2, kept)
        in_another_thread(kept.clear)  # waits for the GPU
        assert asked == [in_order(2)[0], 'release'], asked


def main():
    plan = [(test, None) for test in (
        a_loop_holds_one_frame_at_a_time, an_array_lasts_longer_than_its_turn_in_the_loop,
        a_frame_says_which_one_it_is, dlpack_does_what_it_is_asked_for_or_refuses,
        arrays_may_outlive_everything_at_exit, a_release_that_cannot_be_ordered_waits_for_the_gpu,
        reader_says_what_is_wrong)]
    plan += on_gpu(the_reader_shares_its_context_with_whatever_decodes)
    if not installed('torch') and not installed('cupy'):
        plan += on_gpu(the_reader_says_what_it_lacks)
    plan += on_gpu(the_default_stream_has_a_handle_that_says_so, a_loan_ends_on_any_thread,
                   a_loan_begins_on_any_thread, another_thread_cannot_name_the_default_stream_of_this_one)
    tap.run(plan)


if __name__ == '__main__':
    main()
