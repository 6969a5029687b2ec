// SPDX-License-Identifier: LGPL-2.1-or-later
/// What a cudacamsrc says to whatever contains it when something inside speaks.
#include "base/ptr.hpp"
#include "camera-bench.hpp"
#include "test-camera.hpp"
#include "wait-until.hpp"

#include <gst/check/gstcheck.h>

using cudacam::adopt;
using cudacam::ObjectPtr;
using cudacam::test::TestCamera;
using cudacam::test::wait_until;

// Has a clock for everybody.
struct ClockSource {
  GstElement parent;
};
struct ClockSourceClass {
  GstElementClass parent;
};
static GType clock_source_get_type();
G_DEFINE_TYPE(ClockSource, clock_source, GST_TYPE_ELEMENT)

static void clock_source_init(ClockSource *) {
}

static void clock_source_class_init(ClockSourceClass *klass) {
  auto *element = GST_ELEMENT_CLASS(klass);
  element->provide_clock = [](GstElement *) { return gst_system_clock_obtain(); };
  gst_element_class_set_static_metadata(element, "Clock source", "Generic", "Provides a clock",
                                        "gst-cudacam");
}

namespace {

/// A cudacamsrc without a pipeline: what it would say to one is on a bus. Its camera does not
/// answer, so that its first connection stays, in which a clock is to be had.
class Alone {
 public:
  Alone() {
    camera_.freeze();
    g_object_set(element_.get(), "location", camera_.url().c_str(), "connect-timeout",
                 3600 * GST_SECOND, nullptr);
    gst_element_set_bus(element_.get(), bus_.get());
    gst_element_set_state(element_.get(), GST_STATE_PLAYING);
    wait_until([this] { return inside("connection-1") != nullptr; }, "a connection");
    connection_ = inside("connection-1");
    clocks_ = GST_ELEMENT(g_object_new(clock_source_get_type(), nullptr));
    gst_bin_add(GST_BIN(connection_.get()), clocks_);
  }
  ~Alone() {
    gst_element_set_state(element_.get(), GST_STATE_NULL);
    gst_element_set_bus(element_.get(), nullptr);
  }

  /// As from an element in the connection.
  void say(GstMessage *message) { gst_element_post_message(clocks_, message); }
  GstObject *speaker() const { return GST_OBJECT(clocks_); }
  GstObject *connection() const { return GST_OBJECT(connection_.get()); }
  bool was_said(GstMessageType types) const {
    return cudacam::MessagePtr(gst_bus_pop_filtered(bus_.get(), types)) != nullptr;
  }
  static bool provides_clock(GstObject *element) {
    return adopt(gst_element_provide_clock(GST_ELEMENT(element))) != nullptr;
  }
  bool provides_clock() const { return provides_clock(GST_OBJECT(element_.get())); }
  GstElement *element() const { return element_.get(); }

 private:
  ObjectPtr<GstElement> inside(const char *name) const {
    return adopt(gst_bin_get_by_name(GST_BIN(element_.get()), name));
  }

  TestCamera camera_;
  const ObjectPtr<GstElement> element_{
      cudacam::sink(gst_element_factory_make("cudacamsrc", nullptr))};
  const ObjectPtr<GstBus> bus_{adopt(gst_bus_new())};
  ObjectPtr<GstElement> connection_;
  GstElement *clocks_;  // of the connection's
};

}  // namespace

/// A pipeline that took it would lose its clock with the camera.
GST_START_TEST(a_clock_of_a_connection_is_not_the_element_s) {
  Alone alone;
  const auto clock = adopt(gst_system_clock_obtain());
  alone.say(gst_message_new_clock_provide(alone.speaker(), clock.get(), TRUE));
  fail_unless(Alone::provides_clock(alone.connection()));
  fail_if(alone.provides_clock());
}
GST_END_TEST

/// Nor is one looked for when it is lost.
GST_START_TEST(a_lost_clock_of_a_connection_is_not_replaced_by_another) {
  Alone alone;
  const auto clock = adopt(gst_system_clock_obtain());
  alone.say(gst_message_new_clock_provide(alone.speaker(), clock.get(), TRUE));
  fail_unless(Alone::provides_clock(alone.connection()));
  alone.say(gst_message_new_clock_lost(alone.speaker(), clock.get()));
  fail_unless(Alone::provides_clock(alone.connection()));
  fail_if(alone.provides_clock());
}
GST_END_TEST

/// Until it has left the bin, what is given up may say all that a connection says; to those
/// outside there never was one.
GST_START_TEST(what_was_given_up_is_as_silent_as_a_connection) {
  Alone alone;
  auto *left_over = gst_element_factory_make("identity", "left-over");
  gst_bin_add(GST_BIN(alone.element()), left_over);
  auto *inside = GST_OBJECT(left_over);
  const auto clock = adopt(gst_system_clock_obtain());
  for (auto *message :
       {gst_message_new_async_start(inside),
        gst_message_new_clock_provide(inside, clock.get(), TRUE),
        gst_message_new_progress(inside, GST_PROGRESS_TYPE_START, "open", "x"),
        gst_message_new_stream_start(inside), gst_message_new_eos(inside),
        gst_message_new_element(inside, gst_structure_new_empty("GstRTSPSrcTimeout"))})
    gst_element_post_message(left_over, message);
  fail_unless_equals_int(gst_element_get_state(alone.element(), nullptr, nullptr, 0),
                         GST_STATE_CHANGE_SUCCESS);
  fail_if(GST_BIN(alone.element())->clock_dirty);
  fail_if(alone.was_said(GstMessageType(GST_MESSAGE_ASYNC_START | GST_MESSAGE_CLOCK_PROVIDE |
                                        GST_MESSAGE_PROGRESS | GST_MESSAGE_STREAM_START |
                                        GST_MESSAGE_EOS)));
}
GST_END_TEST

static Suite *cudacamsrc_messages_suite() {
  auto *suite = suite_create("cudacamsrc-messages");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, a_clock_of_a_connection_is_not_the_element_s);
  tcase_add_test(tests, a_lost_clock_of_a_connection_is_not_replaced_by_another);
  tcase_add_test(tests, what_was_given_up_is_as_silent_as_a_connection);
  return suite;
}
GST_CHECK_MAIN(cudacamsrc_messages)
