// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

namespace cudacam::test {

/// What was built: the commit as "git describe" names it, "-dirty" where files differ from it; the
/// project's version where that cannot be told.
const char *version();

}  // namespace cudacam::test
