// SPDX-License-Identifier: LGPL-2.1-or-later
/// Servers that mean harm: each is left within connect-timeout or first-frame-timeout, tried again,
/// and forgotten as soon as a good camera is there.
#include <unistd.h>

#include <fstream>
#include <memory>
#include <random>

#include "camera-bench.hpp"
#include "hostile-server.hpp"
#include "test-camera.hpp"

#include <gst/check/gstcheck.h>

using cudacam::test::CameraBench;
using cudacam::test::HostilePeer;
using cudacam::test::HostileServer;
using cudacam::test::play_along;
using cudacam::test::TestCamera;

namespace {

std::size_t resident_bytes() {
  std::size_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

/// The camera is elsewhere now, and may be as slow as this machine is.
void move_to(CameraBench &bench, const TestCamera &honest) {
  g_object_set(bench.camera(), "connect-timeout", 50 * GST_SECOND, "first-frame-timeout",
               50 * GST_SECOND, "location", honest.url().c_str(), nullptr);
}

/// Three connections of the hostile kind, then frames of an honest camera, with nothing left over.
void check_survives(const std::function<void(HostilePeer &)> &behave) {
  TestCamera honest;
  HostileServer hostile(behave);
  [[maybe_unused]] const auto resident = resident_bytes();
  CameraBench bench("location=" + hostile.url() +
                    " connect-timeout=1000000000 first-frame-timeout=1000000000"
                    " teardown-timeout=100000000");
  bench.play();
  bench.wait("three hostile connections", [&](const auto &) { return hostile.finished() >= 3; });
  fail_unless_equals_uint64(bench.statistic<guint64>("connections"), 0);
  [[maybe_unused]] const auto grown = resident_bytes();
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  fail_unless(grown < resident + (100 << 20), "grew from %zu to %zu bytes", resident, grown);
#endif
  move_to(bench, honest);
  bench.wait_connection(1);
  bench.set_state(GST_STATE_NULL);
  fail_unless(bench.errors.empty());
}

/// rtspsrc (1.22 to 1.26) cannot be interrupted in the middle of a message, so the connection is
/// quarantined for as long as the server goes on; the camera's place is taken by an honest one.
void check_contains(const std::function<void(HostilePeer &)> &behave) {
  TestCamera honest;
  auto hostile = std::make_unique<HostileServer>(behave);
  CameraBench bench("location=" + hostile->url() +
                    " connect-timeout=300000000 teardown-timeout=100000000 max-quarantined=100");
  bench.play();
  bench.wait_warning("no-answer");
  // On a slow machine an attempt may be over before it is in the middle of a message.
  bench.wait("a quarantined connection",
             [](const auto &it) { return it.template statistic<guint64>("quarantined") >= 1; });
  move_to(bench, honest);
  bench.wait_connection(1);
  fail_unless(bench.statistic<guint64>("quarantined") >= 1);
  hostile.reset();
  bench.wait("an empty quarantine",
             [](const auto &it) { return it.template statistic<guint64>("quarantined") == 0; });
  bench.set_state(GST_STATE_NULL);
  fail_unless(bench.errors.empty());
}

}  // namespace

GST_START_TEST(says_nothing_and_closes) {
  check_survives([](HostilePeer &) {});
}
GST_END_TEST

GST_START_TEST(answers_with_noise) {
  check_survives([](HostilePeer &peer) {
    std::mt19937 random(1);
    std::string noise(1 << 16, '\0');
    for (auto &byte : noise) byte = static_cast<char>(random());
    if (!peer.request() || !peer.send(noise)) return;
    peer.request();
  });
}
GST_END_TEST

GST_START_TEST(never_ends_its_headers) {
  check_contains([](HostilePeer &peer) {
    const auto request = peer.request();
    if (!request || !peer.send("RTSP/1.0 200 OK\r\n")) return;
    const std::string header = "X-Header: " + std::string(1000, 'x') + "\r\n";
    while (peer.send(header)) {
    }
  });
}
GST_END_TEST

GST_START_TEST(never_ends_a_line) {
  check_contains([](HostilePeer &peer) {
    const std::string line(4096, 'x');
    if (!peer.request()) return;
    while (peer.send(line)) {
    }
  });
}
GST_END_TEST

GST_START_TEST(describes_itself_at_length) {
  check_survives([](HostilePeer &peer) {
    std::string description = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=cam\r\nt=0 0\r\n";
    while (description.size() < 4 << 20)
      description += "a=filler:" + std::string(100, 'x') + "\r\n";
    while (const auto request = peer.request()) {
      if (!peer.answer(*request, "200 OK", "Content-Type: application/sdp\r\n",
                       request->rfind("DESCRIBE", 0) == 0 ? description : ""))
        return;
    }
  });
}
GST_END_TEST

GST_START_TEST(redirects_to_itself_for_ever) {
  HostileServer *self = nullptr;
  TestCamera honest;
  HostileServer hostile([&self](HostilePeer &peer) {
    while (const auto request = peer.request()) {
      if (!peer.answer(*request, "302 Moved Temporarily", "Location: " + self->url() + "\r\n"))
        return;
    }
  });
  self = &hostile;
  CameraBench bench("location=" + hostile.url() + " connect-timeout=1000000000");
  bench.play();
  bench.wait_status("connecting", "no-answer");
  move_to(bench, honest);
  bench.wait_connection(1);
  bench.set_state(GST_STATE_NULL);
}
GST_END_TEST

/// Too short, too long, negative and absurd.
GST_START_TEST(lies_about_lengths) {
  for (const char *length : {"5", "1000000", "-1", "4294967295", "99999999999999999999", "x"}) {
    check_survives([length](HostilePeer &peer) {
      const std::string header =
          std::string("Content-Type: application/sdp\r\nContent-Length: ") + length + "\r\n";
      while (const auto request = peer.request()) {
        if (!peer.answer(*request, "200 OK", header, "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\n")) return;
      }
    });
  }
}
GST_END_TEST

GST_START_TEST(plays_noise) {
  check_survives([](HostilePeer &peer) {
    if (!play_along(peer, "rtsp://127.0.0.1/cam")) return;
    std::mt19937 random(2);
    std::string packet;
    do {
      const std::size_t size = random() % 1400;
      packet = {'$', static_cast<char>(random() % 3), static_cast<char>(size >> 8),
                static_cast<char>(size & 0xff)};
      while (packet.size() < size + 4) packet += static_cast<char>(random());
    } while (peer.send(packet));
  });
}
GST_END_TEST

/// Well-formed RTP of the right payload type, whose pictures are noise.
GST_START_TEST(plays_pictures_of_noise) {
  check_survives([](HostilePeer &peer) {
    if (!play_along(peer, "rtsp://127.0.0.1/cam")) return;
    std::mt19937 random(3);
    std::string packet;
    for (unsigned number = 0;; number++) {
      const std::size_t size = 12 + 1 + random() % 1000;
      packet = {'$', 0, static_cast<char>(size >> 8), static_cast<char>(size & 0xff)};
      packet += {static_cast<char>(0x80), static_cast<char>(96 | (random() % 2 ? 0x80 : 0))};
      packet += {static_cast<char>(number >> 8), static_cast<char>(number)};
      while (packet.size() < size + 4) packet += static_cast<char>(random());
      if (!peer.send(packet)) return;
    }
  });
}
GST_END_TEST

static Suite *cudacamsrc_hostile_suite() {
  auto *suite = suite_create("cudacamsrc-hostile");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, says_nothing_and_closes);
  tcase_add_test(tests, answers_with_noise);
  tcase_add_test(tests, never_ends_its_headers);
  tcase_add_test(tests, never_ends_a_line);
  tcase_add_test(tests, describes_itself_at_length);
  tcase_add_test(tests, redirects_to_itself_for_ever);
  tcase_add_test(tests, lies_about_lengths);
  tcase_add_test(tests, plays_noise);
  tcase_add_test(tests, plays_pictures_of_noise);
  return suite;
}
GST_CHECK_MAIN(cudacamsrc_hostile)
