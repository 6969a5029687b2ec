// SPDX-License-Identifier: LGPL-2.1-or-later
/// Stops and starts the elements that feed a sink, with everything around them PLAYING.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "lease/upstream-route.hpp"

namespace cudacam {

/// What keeps watching after elements were started again, until the next time or the end.
class Aftercare {
 public:
  virtual ~Aftercare() = default;
};

/// One cycle: flush, NULL, back to the state of the bins around them. May block as long as the
/// elements do: on a thread that may. `stopped` is called when all are NULL. Null when another
/// cycle of one of the elements is under way, which then is as good.
///
/// The flush comes first, because an element that is blocked by what follows it cannot stop, and it
/// lifts the EOS that may have passed. Running time goes on (the flush does not reset it). While
/// they stop the states of the elements are locked; in the end they are brought to what their bins
/// have become meanwhile.
///
/// The aftercare of the last cycle must be gone. It makes the links of the elements again as their
/// pads come back; what the application links itself, it is left: its handlers run first. And it
/// takes elements to PLAYING that first want a frame, without the bins around them: those would
/// leave PLAYING for so long, and fail for good if the element did.
std::unique_ptr<Aftercare> cycle(const Upstream &upstream, const std::function<void()> &stopped);

}  // namespace cudacam
