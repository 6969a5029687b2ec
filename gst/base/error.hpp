// SPDX-License-Identifier: LGPL-2.1-or-later
/// The exception that becomes one error message on the bus.
#pragma once

#include <gst/gst.h>

#include <stdexcept>
#include <string>

namespace cudacam {

/// Thrown inside an element's C++ code; the bridge in gobject.hpp posts it at the edge.
/// `what()` is the sentence for the user: what is wrong and what to do. `details()` is for
/// developers. Neither ever holds credentials.
class ElementError : public std::runtime_error {
 public:
  ElementError(GQuark domain, int code, const std::string &sentence, std::string details = {})
      : std::runtime_error(sentence), domain_(domain), code_(code), details_(std::move(details)) {}

  GQuark domain() const { return domain_; }
  int code() const { return code_; }
  const std::string &details() const { return details_; }

 private:
  GQuark domain_;
  int code_;
  std::string details_;
};

}  // namespace cudacam
