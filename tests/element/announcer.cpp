// SPDX-License-Identifier: LGPL-2.1-or-later
/// What cudacamsrc says on the bus holds no secret, wherever the words came from.
#include "camera/announcer.hpp"

#include "base/ptr.hpp"

#include <gst/check/gstcheck.h>
#undef fail  // check's

using cudacam::adopt;
using cudacam::Announcer;
using cudacam::Reason;
using cudacam::Status;

namespace {

constexpr const char *kText = "geheim, ge%40heim and rtsp://u:anders@cam/?pwd=sonst";

struct Fixture {
  Fixture() {
    gst_element_set_bus(element.get(), bus.get());
    announcer.introduce("door", {"", "geheim", "ge@heim"});
  }
  ~Fixture() { gst_element_set_bus(element.get(), nullptr); }

  /// Everything that the message would show.
  std::string said() {
    const cudacam::MessagePtr message(gst_bus_pop(bus.get()));
    fail_unless(message != nullptr);
    std::string text;
    const auto *fields = gst_message_get_structure(message.get());
    if (fields) text = cudacam::CharPtr(gst_structure_to_string(fields)).get();
    GError *raw_error = nullptr;
    char *raw_debug = nullptr;
    if (GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_WARNING)
      gst_message_parse_warning(message.get(), &raw_error, &raw_debug);
    if (GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_ERROR)
      gst_message_parse_error(message.get(), &raw_error, &raw_debug);
    const cudacam::ErrorPtr error(raw_error);
    const cudacam::CharPtr debug(raw_debug);
    if (error) text += std::string(error->message) + raw_debug;
    return text;
  }
  void check() {
    const auto text = said();
    fail_unless(text.find("door") != std::string::npos);
    for (const char *secret : {"geheim", "ge%40heim", "anders", "sonst"})
      fail_unless(text.find(secret) == std::string::npos, "%s", text.c_str());
  }

  cudacam::ObjectPtr<GstElement> element{cudacam::sink(gst_bin_new("camera"))};
  cudacam::ObjectPtr<GstBus> bus{adopt(gst_bus_new())};
  Announcer announcer{element.get()};
};

}  // namespace

GST_START_TEST(warnings_are_redacted) {
  Fixture f;
  f.announcer.warn({Reason::not_found, kText, ""});
  f.check();
  f.announcer.warn({Reason::not_found, "", kText});
  f.check();
}
GST_END_TEST

GST_START_TEST(errors_are_redacted) {
  Fixture f;
  f.announcer.fail({GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ, kText, ""});
  f.check();
  f.announcer.fail({GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ, "", kText});
  f.check();
}
GST_END_TEST

GST_START_TEST(a_status_names_the_camera_and_both_states) {
  Fixture f;
  f.announcer.status(Status::closing, Status::streaming, Reason::stalled, 3, 5);
  const auto text = f.said();
  for (const char *part : {"door", "closing", "streaming", "stalled", "(uint)3", "(guint64)5"})
    fail_unless(text.find(part) != std::string::npos, "%s", text.c_str());
}
GST_END_TEST

static Suite *announcer_suite() {
  auto *suite = suite_create("announcer");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, warnings_are_redacted);
  tcase_add_test(tests, errors_are_redacted);
  tcase_add_test(tests, a_status_names_the_camera_and_both_states);
  return suite;
}
GST_CHECK_MAIN(announcer)
