// SPDX-License-Identifier: LGPL-2.1-or-later
/// What people and cameras may write, mutated at random: CUDACAM_TEST_MUTATIONS of each kind
/// (20000), from CUDACAM_TEST_SEED (1), so that a failure can be had again.
#include <gst/sdp/gstsdpmessage.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "base/ptr.hpp"
#include "ingest/codec.hpp"
#include "ingest/failure.hpp"
#include "ingest/location.hpp"
#include "ingest/timeline.hpp"
#include "scale.hpp"

#include <gst/check/gstcheck.h>

using cudacam::find_codec;
using cudacam::Location;
using cudacam::LocationError;
using cudacam::Reason;
using cudacam::redact;
using cudacam::StreamOffer;
using cudacam::Timeline;
using cudacam::test::scale;

namespace {

unsigned rounds() {
  return scale("CUDACAM_TEST_MUTATIONS", 20000);
}

/// Texts that come from examples by a few changes each.
class Mutator {
 public:
  explicit Mutator(std::vector<std::string> examples) : examples_(std::move(examples)) {}

  std::string next() {
    auto text = examples_[below(examples_.size())];
    for (auto changes = below(6); changes > 0; changes--) change(text);
    return text;
  }
  std::size_t below(std::size_t limit) { return limit ? random_() % limit : 0; }

 private:
  void change(std::string &text) {
    static const std::string favourites = "@:/%?#[]* \r\n\"'<>=;\0\x7f\xff";
    const auto at = below(text.size() + 1);
    switch (below(6)) {
      case 0:
        text.insert(at, 1, static_cast<char>(random_()));
        break;
      case 1:
        text.insert(at, 1, favourites[below(favourites.size())]);
        break;
      case 2:
        text.erase(at, 1 + below(8));
        break;
      case 3:
        if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << below(8)));
        break;
      case 4: {
        const auto &other = examples_[below(examples_.size())];
        const auto from = below(other.size());
        text.insert(at, other, from, 1 + below(20));
        break;
      }
      default:
        if (text.size() < 2000) text.insert(at, text.substr(below(text.size() + 1), below(40)));
    }
  }

  const std::vector<std::string> examples_;
  std::mt19937 random_{scale("CUDACAM_TEST_SEED", 1)};
};

/// The macros of check want something that lives and prints.
std::string shown(const std::string &text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 32 && byte < 127 && c != '%') {
      out += c;
    } else {
      out += "<" + std::to_string(byte) + ">";
    }
  }
  return out.substr(0, 500);
}

bool contains(const std::string &text, const std::string &part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

/// Either it is an address without credentials, which parses to itself, or the reason why not holds
/// nothing of it.
GST_START_TEST(locations) {
  Mutator mutator({"rtsp://admin:geheim@192.168.1.10:554/stream1?channel=1",
                   "rtsps://[fe80::1]:322/x", "rtsp://cam", "rtsp://u:p%40ss@cam/a@b#c",
                   "rtsp://u:p@ss@cam:8554"});
  for (unsigned i = 0; i < rounds(); i++) {
    const auto text = mutator.next();
    try {
      const auto location = Location::parse(text);
      fail_unless(!location.host.empty(), "%s", shown(text).c_str());
      fail_unless(location.port >= 1 && location.port <= 65535, "%s", shown(text).c_str());
      const auto again = Location::parse(location.url);
      fail_unless(again.url == location.url && again.host == location.host &&
                      again.port == location.port && again.is_secure == location.is_secure,
                  "%s", shown(text).c_str());
      fail_unless(again.user.empty() && again.password.empty(), "%s", shown(text).c_str());
    } catch (const LocationError &error) {
      fail_unless(!contains(error.what(), "geheim"), "%s", shown(text).c_str());
      fail_unless(std::string(error.what()).size() > 20);
    }
  }
}
GST_END_TEST

/// No secret and no userinfo of a URL survives, and doing it again changes nothing.
GST_START_TEST(redaction) {
  Mutator texts({"error: rtsp://admin:geheim@cam/x failed", "user=admin&password=ge%40heim",
                 "rtsp://a:b@c rtsps://d:e@f/g", "Authorization: Digest username=\"admin\"",
                 "://@ ://x@ ://", "geheimgeheim rtsp://geheim@geheim/geheim"});
  Mutator secrets({"geheim", "ge@heim", "a b", "x", "admin:geheim", "%41"});
  for (unsigned i = 0; i < rounds(); i++) {
    const auto text = texts.next();
    std::vector<std::string> known;
    for (auto n = texts.below(3); n > 0; n--) known.push_back(secrets.next());
    const auto once = redact(text, known);
    for (const auto &secret : known) {
      // What hides a secret cannot hide one that looks like it.
      if (secret.empty() || contains(secret, "*")) continue;
      fail_unless(!contains(once, secret), "%s of %s", shown(secret).c_str(), shown(text).c_str());
    }
    const auto plain = redact(text);
    fail_unless(redact(plain) == plain, "%s", shown(text).c_str());
  }
}
GST_END_TEST

/// A description by a camera: whatever it says, it is a stream that is known or not.
GST_START_TEST(descriptions) {
  Mutator mutator(
      {"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=cam\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
       "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;sprop-parameter-sets="
       "Z0LAHtkA2D3n4QAAAwABAAADADIPFi5I,aMuDyyA=\r\na=control:stream=0\r\n",
       "v=0\r\ns=x\r\nm=video 0 RTP/AVP 26\r\nm=audio 0 RTP/AVP 8\r\n",
       "v=0\r\nm=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\n"
       "m=video 0 RTP/AVP 97\r\na=rtpmap:97 H265/90000\r\na=framerate:25\r\n"});
  unsigned known = 0, streams = 0;
  for (unsigned i = 0; i < rounds() / 4; i++) {
    // GStreamer's parser refuses other text with a critical, which is not ours.
    const std::string text = cudacam::CharPtr(g_utf8_make_valid(mutator.next().c_str(), -1)).get();
    GstSDPMessage *raw = nullptr;
    gst_sdp_message_new(&raw);
    gst_sdp_message_parse_buffer(reinterpret_cast<const guint8 *>(text.data()),
                                 static_cast<guint>(text.size()), raw);
    for (guint m = 0; m < gst_sdp_message_medias_len(raw); m++) {
      const auto *media = gst_sdp_message_get_media(raw, m);
      for (guint f = 0; f < gst_sdp_media_formats_len(media); f++) {
        const auto payload = std::atoi(gst_sdp_media_get_format(media, f));
        const cudacam::CapsPtr caps(gst_sdp_media_get_caps_from_media(media, payload));
        const auto offer = cudacam::stream_offer(caps.get());
        streams++;
        const auto *codec = find_codec(offer.encoding_name);
        if (!codec) continue;
        known++;
        fail_unless(offer.encoding_name.size() == std::string(codec->encoding_name).size());
      }
    }
    gst_sdp_message_free(raw);
  }
  fail_unless(known > 0 && known < streams);
  fail_unless(!cudacam::stream_offer(nullptr).video);
}
GST_END_TEST

/// What elements report, with text that comes from a camera.
GST_START_TEST(errors) {
  Mutator debugs(
      {"gstrtspsrc.c(6783): gst_rtspsrc_try_send (): \nError (453): Not Enough Bandwidth",
       "Failed to connect. (Timeout while waiting for server response)",
       "gst_rtspsrc_setup_streams_end (): no streams left", "no protocols left",
       "Unauthorized, authentication needed", "Error (999", "Error (-12)", "Error ("});
  const struct {
    GQuark domain;
    int codes;
  } domains[] = {{GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NUM_ERRORS},
                 {GST_STREAM_ERROR, GST_STREAM_ERROR_NUM_ERRORS},
                 {GST_CORE_ERROR, GST_CORE_ERROR_NUM_ERRORS}};
  for (unsigned i = 0; i < rounds() / 2; i++) {
    // Fields of messages are valid text: GStreamer refuses others.
    const cudacam::CharPtr debug(g_utf8_make_valid(debugs.next().c_str(), -1));
    const auto &domain = domains[debugs.below(std::size(domains))];
    auto *error = g_error_new_literal(
        domain.domain, 1 + static_cast<int>(debugs.below(domain.codes)), debug.get());
    const cudacam::MessagePtr message(gst_message_new_error(nullptr, error, debug.get()));
    g_error_free(error);
    const auto failure =
        cudacam::failure_of(message.get(), {{true, debugs.below(2) ? "H264" : debugs.next()}});
    fail_unless(failure.reason != Reason::none && failure.reason <= cudacam::kLastReason);
    fail_unless(!failure.sentence.empty());
    fail_unless(
        failure.rtsp_status == 0 || (failure.rtsp_status >= 300 && failure.rtsp_status < 600), "%s",
        shown(debug.get()).c_str());
  }
}
GST_END_TEST

/// Timestamps of a camera that has lost its mind: frames are never due in the future, and running
/// time only rises.
GST_START_TEST(timestamps) {
  std::mt19937_64 random(scale("CUDACAM_TEST_SEED", 1));
  Timeline timeline;
  Timeline::Duration now{}, last{-1};
  std::int64_t stamp = 0;
  for (unsigned i = 0; i < rounds() * 5; i++) {
    now += std::chrono::nanoseconds(random() % 80000000);
    if (random() % 200 == 0) timeline.begin(std::chrono::milliseconds(random() % 2000));
    switch (random() % 20) {
      case 0:
        stamp = static_cast<std::int64_t>(random() >> (1 + random() % 60));
        break;
      case 1:
        stamp -= static_cast<std::int64_t>(random() % 5000000000);
        break;
      default:
        stamp += static_cast<std::int64_t>(random() % 80000000);
    }
    std::optional<Timeline::Duration> given;
    if (random() % 10) given = Timeline::Duration(stamp);
    const auto in = timeline.input(given, now);
    fail_unless(in >= Timeline::Duration::zero() && in <= now + Timeline::kPrecision);
    const auto out = timeline.output(in);
    fail_unless(out > last);
    last = out;
  }
}
GST_END_TEST

static Suite *inputs_suite() {
  auto *suite = suite_create("inputs");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, locations);
  tcase_add_test(tests, redaction);
  tcase_add_test(tests, descriptions);
  tcase_add_test(tests, errors);
  tcase_add_test(tests, timestamps);
  return suite;
}
GST_CHECK_MAIN(inputs)
