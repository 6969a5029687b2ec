# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an application does, in Python and with nothing but the installed files: one lease."""
import gi

gi.require_version('Gst', '1.0')
gi.require_version('GstCudaCam', '1.0')
from gi.repository import GLib, Gst, GstCudaCam  # noqa: E402

Gst.init(None)
pipeline = Gst.parse_launch('videotestsrc ! cudacampool ! cudacamsink name=sink')
sink = pipeline.get_by_name('sink')
try:
    GstCudaCam.Lender.acquire(sink, 'detector', 0)
    raise SystemExit('a lease from an element that does not run')
except GLib.Error as error:
    assert error.matches(GstCudaCam.lease_error_quark(), GstCudaCam.LeaseError.STOPPED), error

pipeline.set_state(Gst.State.PLAYING)
lease = GstCudaCam.Lender.acquire(sink, 'detector', Gst.CLOCK_TIME_NONE)
pipeline.set_state(Gst.State.NULL)
assert lease.get_buffer().get_size() > 0
assert lease.get_holder() == 'detector'
# Handles of CUDA streams are integers here; a frame in system memory needs no CUDA.
assert lease.wait_on_stream(1)
assert lease.release_after(1)
assert lease.get_buffer() is None
try:
    lease.wait()
    raise SystemExit('a wait for a frame that was released')
except GLib.Error as error:
    assert error.matches(GstCudaCam.lease_error_quark(), GstCudaCam.LeaseError.RELEASED), error
