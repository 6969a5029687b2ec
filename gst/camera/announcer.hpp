// SPDX-License-Identifier: LGPL-2.1-or-later
/// What cudacamsrc says on the bus: status changes, warnings and errors, without credentials.
#pragma once

#include <gst/gst.h>

#include <string>
#include <vector>

#include "base/error.hpp"
#include "ingest/reason.hpp"
#include "ingest/reconnect-policy.hpp"

namespace cudacam {

/// Belongs to one thread. The element is borrowed.
class Announcer {
 public:
  explicit Announcer(GstElement *element) : element_(element) {}

  /// Who speaks, and what never to say.
  void introduce(const std::string &camera, std::vector<std::string> secrets);

  void status(Status now, Status before, Reason reason, unsigned retries, GstClockTime delay);
  /// A failure that is retried.
  void warn(const Failure &failure);
  /// One that is not.
  void fail(const ElementError &error);

  std::string redacted(const std::string &text) const;

 private:
  std::string sentence(const std::string &text) const;

  GstElement *const element_;
  std::string camera_;
  std::vector<std::string> secrets_;
};

}  // namespace cudacam
