// SPDX-License-Identifier: LGPL-2.1-or-later
/// For tests with gst-check, whose macros come last.
#pragma once

#include <gst/check/gstcheck.h>

namespace cudacam::test {

/// Criticals that GStreamer's own races log now and then, and which harm nobody. Every other one
/// fails the test, by gst-check itself.
inline void expect_upstream_criticals() {
  struct Critical {
    const char *domain, *text;
  };
  static constexpr Critical known[] = {
      // rtspsrc 1.22 to 1.24, when a connection breaks just while it is closed: on the way from
      // PAUSED to READY it forgets the number of its events, and only then stops its loop, which in
      // between may find the end of the connection and send EOS without a number. Whoever closes an
      // rtspsrc can meet that; where cudacamsrc knows that the connection is broken it lets the
      // loop end first (Connection::shut).
      {"GStreamer", "gst_event_set_seqnum: assertion"},
      // The test camera's gst-rtsp-server, when a client is closed just while its stream sends: the
      // one takes watch_lock to forget the watch, the other holds send_lock while it uses it.
      {"GStreamer-RTSP", "gst_rtsp_watch_send_messages: assertion 'watch != NULL'"},
  };
  g_log_set_always_fatal(GLogLevelFlags(G_LOG_FATAL_MASK));
  for (const auto &critical : known)
    gst_check_add_log_filter(
        critical.domain, G_LOG_LEVEL_CRITICAL,
        g_regex_new(critical.text, GRegexCompileFlags(0), GRegexMatchFlags(0), nullptr),
        [](const char *, GLogLevelFlags, const char *, gpointer) -> gboolean { return TRUE; },
        nullptr, nullptr);
}

}  // namespace cudacam::test
