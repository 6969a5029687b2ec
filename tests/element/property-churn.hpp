// SPDX-License-Identifier: LGPL-2.1-or-later
/// Two threads that set properties of one element at the same time.
#pragma once

#include <gst/check/gstcheck.h>

#include <thread>

namespace cudacam::test {

/// Both are of 64 bits and free to change. What one thread sets, the other does not set back.
inline void check_properties_set_at_once(GObject *object, const char *one, const char *other) {
  const auto set = [=](const char *property, guint64 value) {
    GValue wished = G_VALUE_INIT;
    g_value_init(&wished, G_TYPE_UINT64);
    g_value_set_uint64(&wished, value);
    g_object_set_property(object, property, &wished);
    GValue got = G_VALUE_INIT;
    g_value_init(&got, G_TYPE_UINT64);
    g_object_get_property(object, property, &got);
    return g_value_get_uint64(&got) == value;
  };
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr guint64 kTimes = 10000;  // which is slow, and looks for something else
#else
  constexpr guint64 kTimes = 200000;
#endif
  const auto churn = [=](const char *property) {
    for (guint64 i = 1; i < kTimes; ++i)
      fail_unless(set(property, i * GST_SECOND), "%s was set back", property);
  };
  std::thread thread(churn, other);
  churn(one);
  thread.join();
}

}  // namespace cudacam::test
