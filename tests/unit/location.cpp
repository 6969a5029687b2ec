// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ingest/location.hpp"

#include <gst/check/gstcheck.h>

using cudacam::Location;
using cudacam::LocationError;
using cudacam::redact;

namespace {

std::string refusal(const char *text) {
  try {
    Location::parse(text);
  } catch (const LocationError &error) {
    return error.what();
  }
  return "";
}

/// The macros keep pointers into their arguments, so these have to live.
void check_redacted(const std::string &text, const std::vector<std::string> &secrets,
                    const std::string &wanted) {
  const auto redacted = redact(text, secrets);
  fail_unless_equals_string(redacted.c_str(), wanted.c_str());
}

}  // namespace

GST_START_TEST(parses_addresses) {
  const struct {
    const char *text, *url, *host;
    unsigned port;
    const char *user, *password;
  } cases[] = {
      {"rtsp://cam", "rtsp://cam", "cam", 554, "", ""},
      {"rtsp://cam:8554/live?ch=1#x", "rtsp://cam:8554/live?ch=1#x", "cam", 8554, "", ""},
      {"RTSP://cam/x", "rtsp://cam/x", "cam", 554, "", ""},
      {"rtsps://cam/x", "rtsps://cam/x", "cam", 322, "", ""},
      {"rtsp://u:p@cam/x", "rtsp://cam/x", "cam", 554, "u", "p"},
      {"rtsp://u@cam/x", "rtsp://cam/x", "cam", 554, "u", ""},
      {"rtsp://u:@cam/x", "rtsp://cam/x", "cam", 554, "u", ""},
      {"rtsp://u:p:q@cam/x", "rtsp://cam/x", "cam", 554, "u", "p:q"},
      {"rtsp://u:p@ss@cam:1/x@y", "rtsp://cam:1/x@y", "cam", 1, "u", "p@ss"},
      {"rtsp://a%20b:%40%3a%zz@cam", "rtsp://cam", "cam", 554, "a b", "@:%zz"},
      {"rtsp://u:p@[fe80::1]:554/x", "rtsp://[fe80::1]:554/x", "fe80::1", 554, "u", "p"},
      {"rtsp://[::1]", "rtsp://[::1]", "::1", 554, "", ""},
      {"rtsp://cam?x", "rtsp://cam?x", "cam", 554, "", ""},
      {"rtsp://cam:65535", "rtsp://cam:65535", "cam", 65535, "", ""},
  };
  for (const auto &it : cases) {
    const auto location = Location::parse(it.text);
    fail_unless_equals_string(location.url.c_str(), it.url);
    fail_unless_equals_string(location.host.c_str(), it.host);
    fail_unless_equals_int(location.port, it.port);
    fail_unless_equals_string(location.user.c_str(), it.user);
    fail_unless_equals_string(location.password.c_str(), it.password);
  }
}
GST_END_TEST

GST_START_TEST(refuses_what_is_no_address_and_says_what_to_do) {
  const struct {
    const char *text, *hint;
  } cases[] = {
      {"", "set property location"},
      {"cam", "must start with rtsp://"},
      {"http://cam/x", "must start with rtsp://"},
      {"rtsp:/cam", "must start with rtsp://"},
      {"rtsp://", "names no host"},
      {"rtsp:///x", "names no host"},
      {"rtsp://u:geheim@/x", "names no host"},
      {"rtsp://:554/x", "names no host"},
      {"rtsp://cam:/x", "1 to 65535"},
      {"rtsp://cam:0", "1 to 65535"},
      {"rtsp://cam:65536", "1 to 65535"},
      {"rtsp://cam:99999999999999999999", "1 to 65535"},
      {"rtsp://u:geheim@cam:5x4/", "1 to 65535"},
      {"rtsp://[::1", "never closes"},
      {"rtsp://[::1]x", "other than a port"},
      {"rtsp://cam/a b", "%20"},
      {"rtsp://cam/a\n", "%20"},
  };
  for (const auto &it : cases) {
    const auto text = refusal(it.text);
    fail_unless(text.find(it.hint) != std::string::npos, "'%s': %s", it.text, text.c_str());
    fail_unless(text.find("geheim") == std::string::npos);
  }
}
GST_END_TEST

GST_START_TEST(redacts_userinfo_of_every_url) {
  const struct {
    const char *text, *redacted;
  } cases[] = {
      {"", ""},
      {"no url, a@b", "no url, a@b"},
      {"rtsp://cam/x", "rtsp://cam/x"},
      {"rtsp://u:p@cam/x", "rtsp://***@cam/x"},
      {"rtsp://u:p@ss@cam/x@y", "rtsp://***@cam/x@y"},
      {"see 'rtsp://u:p@cam' and http://v:q@host/ or rtsp://plain",
       "see 'rtsp://***@cam' and http://***@host/ or rtsp://plain"},
      {"rtsp://u:p@", "rtsp://***@"},
      // Credentials that should have been percent-encoded, and addresses that are none.
      {"rtsp://u:pa/ss@cam/x", "rtsp://***@cam/x"},
      {"rtsp://u:p?s#s@cam/x@y z@", "rtsp://***@y z@"},
      {"rtsp://cam:554/x@y", "rtsp://cam:554/x@y"},
      {"rtsp://cam:/x@y", "rtsp://cam:/x@y"},
      {"rtsp://[fe80::1%eth0]/x@y", "rtsp://[fe80::1%eth0]/x@y"},
      {"://", "://"},
      {"rtsp://cam a@b", "rtsp://cam a@b"},
  };
  for (const auto &it : cases) check_redacted(it.text, {}, it.redacted);
}
GST_END_TEST

GST_START_TEST(redacts_known_secrets_anywhere) {
  check_redacted("pass geheim, geheimer", {"geheim", ""}, "pass ***, ***er");
  check_redacted("a%20b and a b", {"a b"}, "*** and ***");
  check_redacted("abcabc", {"abc", "abcabc"}, "***");
  check_redacted("*", {"*"}, "***");  // and ends
}
GST_END_TEST

/// As cameras take them that know nothing else, in the path or the query.
GST_START_TEST(redacts_fields_with_passwords) {
  const struct {
    const char *text, *redacted;
  } cases[] = {
      {"rtsp://cam:554/user=admin&password=p&channel=1&stream=0.sdp?real_stream",
       "rtsp://cam:554/user=admin&password=***&channel=1&stream=0.sdp?real_stream"},
      {"rtsp://cam/user=admin_password=p_channel=1", "rtsp://cam/user=admin_password=***"},
      {"rtsp://cam/x?Usr=u&PWD=p;access_token=t#f g",
       "rtsp://cam/x?Usr=u&PWD=***;access_token=***#f g"},
      {"'rtsp://u:p@cam/x?pass=a/b' failed", "'rtsp://***@cam/x?pass=***' failed"},
      {"password=", "password="},
      {"compass=north bypass=1 =", "compass=north bypass=1 ="},
  };
  for (const auto &it : cases) check_redacted(it.text, {}, it.redacted);
}
GST_END_TEST

/// No URL that parses leaks its password through redaction.
GST_START_TEST(what_parses_is_redacted) {
  for (const char *password : {"p", "geheim", "a@b", "a:b", "%41", "x%2Fy", "***"}) {
    const auto url = std::string("rtsp://user:") + password + "@cam:8554/path";
    const auto location = Location::parse(url);
    check_redacted(url, {}, "rtsp://***@cam:8554/path");
    fail_unless(location.url.find('@') == std::string::npos);
  }
}
GST_END_TEST

static Suite *location_suite() {
  auto *suite = suite_create("location");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, parses_addresses);
  tcase_add_test(tests, refuses_what_is_no_address_and_says_what_to_do);
  tcase_add_test(tests, redacts_userinfo_of_every_url);
  tcase_add_test(tests, redacts_known_secrets_anywhere);
  tcase_add_test(tests, redacts_fields_with_passwords);
  tcase_add_test(tests, what_parses_is_redacted);
  return suite;
}
GST_CHECK_MAIN(location)
