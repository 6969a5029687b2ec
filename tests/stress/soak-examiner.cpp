// SPDX-License-Identifier: LGPL-2.1-or-later
// The kernels and the processor see the same in the same picture, and every byte of it.
#include <gst/check/gstcheck.h>
#include <gst/video/video.h>

#include <string>

#include "base/ptr.hpp"
#include "check-main.hpp"
#include "examiner.hpp"
#include "shared-context.hpp"

namespace {

using namespace cudacam;
using soak::Examiner;
using soak::Look;

using LeasePtr = std::unique_ptr<GstCudaCamLease, FreeWith<gst_cuda_cam_lease_unref>>;

constexpr guint32 kNumber = 4711;

const char *no_gpu() {
  return adopt(gst_element_factory_find("cudaupload")) ? "" : "no GPU that cudaupload can use";
}

GstPadProbeReturn draw_number(GstPad *pad, GstPadProbeInfo *probe, gpointer) {
  const CapsPtr caps(gst_pad_get_current_caps(pad));
  GstVideoInfo info;
  GstVideoFrame frame;
  GstBuffer *buffer = gst_buffer_make_writable(GST_PAD_PROBE_INFO_BUFFER(probe));
  GST_PAD_PROBE_INFO_DATA(probe) = buffer;
  fail_unless(gst_video_info_from_caps(&info, caps.get()));
  fail_unless(gst_video_frame_map(&frame, &info, buffer, GST_MAP_READWRITE));
  fail_unless(
      test::draw_frame_number({static_cast<guint8 *>(GST_VIDEO_FRAME_PLANE_DATA(&frame, 0)),
                               GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0), info.width, info.height},
                              kNumber));
  gst_video_frame_unmap(&frame);
  return GST_PAD_PROBE_OK;
}

/// The first frame of a pipeline that ends in `cudacamsink name=sink`, and what it needs to live.
struct Frame {
  explicit Frame(const std::string &upload) {
    // A width that no word divides.
    GError *raw_error = nullptr;
    pipeline = sink(gst_parse_launch(
        ("videotestsrc name=source pattern=smpte ! video/x-raw,format=NV12,width=358,height=182 "
         "! " +
         upload + "cudacampool ! cudacamsink name=sink")
            .c_str(),
        &raw_error));
    const ErrorPtr error(raw_error);
    fail_if(error, "%s", error ? error->message : "");
    const auto source = adopt(gst_bin_get_by_name(GST_BIN(pipeline.get()), "source"));
    const auto pad = adopt(gst_element_get_static_pad(source.get(), "src"));
    gst_pad_add_probe(pad.get(), GST_PAD_PROBE_TYPE_BUFFER, draw_number, nullptr, nullptr);
    test::share_context(pipeline.get());
    const auto lender = adopt(gst_bin_get_by_name(GST_BIN(pipeline.get()), "sink"));
    g_object_set(source.get(), "num-buffers", 1, nullptr);
    gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
    lease.reset(gst_cuda_cam_lender_acquire(GST_CUDA_CAM_LENDER(lender.get()), "test",
                                            GST_CLOCK_TIME_NONE, nullptr));
    fail_unless(lease != nullptr);
  }
  ~Frame() { gst_element_set_state(pipeline.get(), GST_STATE_NULL); }

  ObjectPtr<GstElement> pipeline;
  LeasePtr lease;
};

}  // namespace

GST_START_TEST(the_gpu_and_the_processor_see_the_same) {
  const Frame here(""), there("cudaupload ! ");
  Examiner examiner(soak::find_kernels());
  const Look one = examiner.look(here.lease.get());
  const Look other = examiner.look(there.lease.get());
  fail_unless(one.reading.number() == kNumber);
  fail_unless(other.reading.number() == kNumber);
  fail_unless_equals_uint64(one.sum, other.sum);
  fail_unless_equals_uint64(examiner.look(there.lease.get()).sum, other.sum);
}
GST_END_TEST

GST_START_TEST(one_changed_bit_of_chroma_is_seen) {
  const Frame here(""), there("cudaupload ! ");
  Examiner examiner(soak::find_kernels());
  for (GstCudaCamLease *lease : {here.lease.get(), there.lease.get()}) {
    const auto before = examiner.look(lease).sum;
    examiner.spoil(lease);
    fail_if(examiner.look(lease).sum == before);
  }
}
GST_END_TEST

static Suite *soak_examiner_suite() {
  Suite *suite = suite_create("soak-examiner");
  TCase *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, the_gpu_and_the_processor_see_the_same);
  tcase_add_test(tests, one_changed_bit_of_chroma_is_seen);
  return suite;
}

CHECK_MAIN_UNLESS(soak_examiner, no_gpu())
