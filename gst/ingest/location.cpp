// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ingest/location.hpp"

#include <algorithm>
#include <cctype>
#include <optional>

namespace cudacam {
namespace {

constexpr char kExample[] = "rtsp://192.168.1.10/stream1";
constexpr char kHidden[] = "***";

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() &&
         std::equal(prefix.begin(), prefix.end(), text.begin(), [](char a, char b) {
           return a == std::tolower(static_cast<unsigned char>(b));
         });
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); i++) {
    const auto hex = [&](std::size_t at) {
      return at < text.size() && std::isxdigit(static_cast<unsigned char>(text[at]));
    };
    if (text[i] == '%' && hex(i + 1) && hex(i + 2)) {
      out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string percent_encoded(std::string_view text) {
  static constexpr char digits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || std::string_view("-._~").find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += {'%', digits[byte >> 4], digits[byte & 15]};
    }
  }
  return out;
}

unsigned parsed_port(std::string_view text) {
  const bool digits =
      !text.empty() && text.size() <= 5 &&
      std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  const unsigned long port = digits ? std::stoul(std::string(text)) : 0;
  if (port == 0 || port > 65535)
    throw LocationError(
        "The port in the camera's location is not a number from 1 to 65535. If it is a password: "
        "set user-id and user-pw, or write / ? # in it as %2F %3F %23");
  return static_cast<unsigned>(port);
}

void replace_all(std::string &text, const std::string &what) {
  if (what.empty()) return;
  const std::string_view hidden(kHidden);
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + hidden.size()))
    text.replace(at, what.size(), hidden);
}

/// Where the credentials of the URL end whose authority begins at `begin`, at their '@'; nothing
/// when it has none. A password that holds what should end the authority (a slash that is not
/// percent- encoded) is no port at least: then everything up to the last '@' of the word may be
/// part of it.
std::optional<std::size_t> end_of_credentials(std::string_view text, std::size_t begin) {
  const auto word = std::min(text.find_first_of(" \t\r\n\"'<>", begin), text.size());
  const auto authority = std::min(text.find_first_of("/?#", begin), word);
  const auto last_at = [&](std::size_t end) -> std::optional<std::size_t> {
    const auto at = text.substr(begin, end - begin).rfind('@');
    if (at == std::string_view::npos) return std::nullopt;
    return begin + at;
  };
  if (const auto at = last_at(authority)) return at;
  const auto host = text.substr(begin, authority - begin);
  const auto colon = host.rfind(':');
  const bool is_address = colon == std::string_view::npos || host.front() == '[' ||
                          host.find_first_not_of("0123456789", colon + 1) == std::string_view::npos;
  return is_address ? std::nullopt : last_at(word);
}

/// The value of every `password=` and the like: cameras that know no other way take credentials in
/// the path or the query. It ends where a field ends; one that holds such a character unencoded is
/// no worse off with the camera.
void hide_fields(std::string &text) {
  constexpr std::string_view names[] = {"password", "passwd", "passw", "pass",
                                        "pwd",      "psw",    "pw",    "token"};
  for (auto equals = text.find('='); equals != std::string::npos;
       equals = text.find('=', equals + 1)) {
    const auto before = std::string_view(text).substr(0, equals);
    const bool secret = std::any_of(std::begin(names), std::end(names), [&](std::string_view name) {
      if (before.size() < name.size()) return false;
      const auto rest = before.size() - name.size();
      return starts_with_ignoring_case(before.substr(rest), name) &&
             (rest == 0 || !std::isalnum(static_cast<unsigned char>(before[rest - 1])));
    });
    if (!secret) continue;
    const auto begin = equals + 1;
    const auto end = std::min(text.find_first_of("&;#\"'<> \t\r\n", begin), text.size());
    if (end > begin) text.replace(begin, end - begin, kHidden);
  }
}

}  // namespace

Location Location::parse(std::string_view text) {
  if (text.empty())
    throw LocationError(std::string("No camera is set: set property location to its RTSP URL, for "
                                    "instance ") +
                        kExample);
  const bool secure = starts_with_ignoring_case(text, "rtsps://");
  if (!secure && !starts_with_ignoring_case(text, "rtsp://"))
    throw LocationError(std::string("The camera's location is not an RTSP URL: it must start with "
                                    "rtsp:// or rtsps://, for instance ") +
                        kExample);
  if (std::any_of(text.begin(), text.end(),
                  [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 127; }))
    throw LocationError(
        "The camera's location holds a blank or a control character: write a blank "
        "as %20");

  const std::string_view scheme = secure ? "rtsps://" : "rtsp://";
  const std::string_view rest = text.substr(scheme.size());
  const auto path_at = std::min(rest.find_first_of("/?#"), rest.size());
  std::string_view authority = rest.substr(0, path_at);

  Location result;
  if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
    const auto userinfo = authority.substr(0, at);
    authority.remove_prefix(at + 1);
    const auto colon = std::min(userinfo.find(':'), userinfo.size());
    result.user = percent_decoded(userinfo.substr(0, colon));
    if (colon < userinfo.size()) result.password = percent_decoded(userinfo.substr(colon + 1));
  }
  result.url = std::string(scheme) + std::string(authority) + std::string(rest.substr(path_at));
  result.is_secure = secure;
  result.port = secure ? 322 : 554;

  std::string_view port;
  bool has_port = false;
  if (!authority.empty() && authority.front() == '[') {
    const auto close = authority.find(']');
    if (close == std::string_view::npos)
      throw LocationError("The camera's location opens an IPv6 address with [ and never closes it");
    result.host = authority.substr(1, close - 1);
    const auto after = authority.substr(close + 1);
    has_port = !after.empty();
    if (has_port && after.front() != ':')
      throw LocationError(
          "The camera's location has something other than a port after its address");
    if (has_port) port = after.substr(1);
  } else {
    const auto colon = std::min(authority.find(':'), authority.size());
    result.host = authority.substr(0, colon);
    has_port = colon < authority.size();
    if (has_port) port = authority.substr(colon + 1);
  }
  if (result.host.empty())
    throw LocationError(std::string("The camera's location names no host: write it like ") +
                        kExample);
  if (has_port) result.port = parsed_port(port);
  return result;
}

std::string redact(std::string_view text, const std::vector<std::string> &secrets) {
  std::string out(text);
  // Known secrets first, longest first, so that no part of one survives the replacement of another.
  std::vector<std::string> known;
  for (const auto &secret : secrets) {
    known.push_back(secret);
    known.push_back(percent_encoded(secret));
  }
  std::sort(known.begin(), known.end(),
            [](const auto &a, const auto &b) { return a.size() > b.size(); });
  for (const auto &secret : known) replace_all(out, secret);

  for (auto at = out.find("://"); at != std::string::npos; at = out.find("://", at)) {
    at += 3;
    if (const auto end = end_of_credentials(out, at)) out.replace(at, *end - at, kHidden);
  }
  hide_fields(out);
  return out;
}

}  // namespace cudacam
