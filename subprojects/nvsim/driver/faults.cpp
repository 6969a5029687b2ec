// SPDX-License-Identifier: LGPL-2.1-or-later
#include "driver/faults.hpp"

#include <charconv>

#include "driver/report.hpp"

namespace nvsim {
namespace {

template <typename Number>
bool parse_number(std::string_view text, Number *value) {
  const char *end = text.data() + text.size();
  auto [stopped, error] = std::from_chars(text.data(), end, *value);
  return error == std::errc() && stopped == end;
}

std::string_view trimmed(std::string_view text) {
  const auto blank = " \t\n";
  const auto first = text.find_first_not_of(blank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

}  // namespace

std::optional<Faults::Rule> Faults::parse(std::string_view text) {
  Rule rule;
  const auto at = text.find('@');
  const auto effect = text.find_first_of("=!");
  if (at == std::string_view::npos || effect == std::string_view::npos || effect < at || at == 0)
    return std::nullopt;
  rule.function = base_name(trimmed(text.substr(0, at)));

  std::string_view which = trimmed(text.substr(at + 1, effect - at - 1));
  if (which == "*") {
    rule.and_after = true;
  } else {
    if (!which.empty() && which.back() == '+') {
      rule.and_after = true;
      which.remove_suffix(1);
    }
    if (!parse_number(which, &rule.first) || rule.first == 0) return std::nullopt;
  }

  const std::string_view what = trimmed(text.substr(effect + 1));
  if (text[effect] == '=' && what == "skip") {
    rule.fault.kind = Fault::Kind::skip;
    return rule;
  }
  const std::optional<int> code = result_code(what);
  if (!code || *code == 0) return std::nullopt;
  rule.fault.code = *code;
  rule.fault.kind = text[effect] == '!' ? Fault::Kind::fail_later : Fault::Kind::fail;
  return rule;
}

bool Faults::add(std::string_view spec) {
  std::vector<Rule> rules;
  while (!spec.empty()) {
    const auto end = spec.find(';');
    const std::string_view text = trimmed(spec.substr(0, end));
    spec = end == std::string_view::npos ? std::string_view() : spec.substr(end + 1);
    if (text.empty()) continue;
    std::optional<Rule> rule = parse(text);
    if (!rule) return false;
    rules.push_back(std::move(*rule));
  }
  if (rules.empty()) return false;
  const std::lock_guard<std::mutex> lock(mutex_);
  rules_.insert(rules_.end(), rules.begin(), rules.end());
  return true;
}

void Faults::clear() {
  const std::lock_guard<std::mutex> lock(mutex_);
  rules_.clear();
}

std::optional<Fault> Faults::on_call(std::string_view function) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::optional<Fault> struck;
  for (Rule &rule : rules_) {
    if (rule.function != function) continue;
    ++rule.calls;
    const bool strikes = rule.calls == rule.first || (rule.and_after && rule.calls > rule.first);
    if (strikes && !struck) struck = rule.fault;
  }
  return struck;
}

}  // namespace nvsim
