// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

namespace cudacam::bench {

class Gpu;

/// Threads that copy 1080p NV12 frames, each with a stream and four slots of its own, as many
/// cudacampools do: each copy launched alone, and by cudacam::LaunchCombiner, which lets those that
/// wait for one another share a launch. The two take turns within one run. As JSON, by load and
/// number of threads; times in us:
///
///   flat-out   each thread copies as fast as it can: frames a second of all of them
///   at-once    all threads copy a frame at the same moment, again and again, each waiting for its
///              own: the camera walls whose pictures are in step
///   apart      30 frames a second each, at moments of their own: what is paid when nobody waits
///
///   submit     CPU time until the copy is queued and its event recorded
///   complete   until the thread knows that it has ended; not for flat-out
///   shared     of all copies, how many shared a launch
std::string compare_together(const Gpu &gpu, bool real);

}  // namespace cudacam::bench
