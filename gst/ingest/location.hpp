// SPDX-License-Identifier: LGPL-2.1-or-later
/// The address of a camera, and keeping its password out of everything that people read. Pure C++.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace cudacam {

/// `what()` says what is wrong with an address and what to write instead; it holds no credentials.
class LocationError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A parsed `rtsp://` or `rtsps://` URL.
struct Location {
  std::string url;       ///< without credentials; what rtspsrc gets
  std::string host;      ///< name or address, IPv6 without brackets
  bool is_secure;        ///< rtsps://
  unsigned port;         ///< as given, else 554 (rtsp) or 322 (rtsps)
  std::string user;      ///< percent-decoded, empty when the URL names none
  std::string password;  ///< percent-decoded

  /// Userinfo ends at the last `@` of the authority, so an unescaped `@` in a password is read as
  /// people mean it. Throws LocationError.
  static Location parse(std::string_view text);
};

/// Takes credentials out of any text: the userinfo of every URL in it becomes `***`, and so do the
/// value of every field `password=`, `pwd=`, `token=` and the like (up to the next `&`, `;`, `#`,
/// quote or blank), and every occurrence of one of `secrets` (as it is and percent-encoded). Empty
/// secrets are ignored.
std::string redact(std::string_view text, const std::vector<std::string> &secrets = {});

}  // namespace cudacam
