#include "reconcilers/explain.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "crd/text.h"
#include "reconcilers/explaining.h"
#include "reconcilers/quote.h"

namespace partition_controller {
namespace {

// ANSI "select graphic rendition" codes.
constexpr char kBold[] = "1";
constexpr char kDim[] = "2";
constexpr char kRed[] = "31";
constexpr char kGreen[] = "32";
constexpr char kYellow[] = "33";

// Lines of text.  Everything that may hold other people's text goes through
// Printable, so that no name can break a line or speak to the terminal.
class Page {
 public:
  explicit Page(bool colour) : colour_(colour) {}

  // "text" on a line of its own, after an empty line.
  void Heading(const std::string& text, const char* paint = kBold) {
    if (!text_.empty()) text_ += '\n';
    text_ += Paint(Printable(text), paint) + '\n';
  }

  void Line(std::size_t indent, const std::string& text, const char* paint = nullptr) {
    text_ += std::string(indent, ' ') + Paint(Printable(text), paint) + '\n';
  }

  // "label: text", nothing for no text.  The texts of one block begin in the
  // same column; an empty label continues the one above.
  void Field(std::size_t indent, const std::string& label, const std::string& text,
             const char* paint = nullptr) {
    constexpr std::size_t kWidth = 9;  // "because:" and a space
    if (text.empty()) return;
    std::string head = label.empty() ? "" : label + ':';
    head.resize(kWidth, ' ');
    text_ += std::string(indent, ' ') + head + Paint(Printable(text), paint) + '\n';
  }

  std::string Take() { return std::move(text_); }

 private:
  std::string Paint(const std::string& text, const char* paint) const {
    return colour_ && paint != nullptr ? "\x1b[" + std::string(paint) + 'm' + text + "\x1b[0m" : text;
  }

  bool colour_;
  std::string text_;
};

// The two largest units: "98 d 4 h", "3 min", "0 s".
std::string Span(std::chrono::microseconds span) {
  constexpr std::pair<std::int64_t, const char*> kUnits[] = {
      {86'400, "d"}, {3'600, "h"}, {60, "min"}, {1, "s"}};
  std::int64_t seconds = std::chrono::floor<std::chrono::seconds>(span).count();
  for (std::size_t i = 0; i < std::size(kUnits); ++i) {
    const auto [size, unit] = kUnits[i];
    if (seconds < size && i + 1 < std::size(kUnits)) continue;
    std::string text = std::to_string(seconds / size) + ' ' + unit;
    if (i + 1 < std::size(kUnits)) {
      const auto [smaller, name] = kUnits[i + 1];
      if (const std::int64_t rest = seconds % size / smaller; rest > 0) {
        text += ' ' + std::to_string(rest) + ' ' + name;
      }
    }
    return text;
  }
  return {};
}

std::string In(Instant instant, Instant now) {
  return ToString(instant) + (instant > now ? ", in " + Span(instant - now) : ", now");
}

std::string Coverage(const Outlook& outlook, const Policy& policy, const Table& table) {
  if (outlook.covered_for_ever) return "for ever";
  if (outlook.covered_until) {
    std::string text = "until " + ToString(*outlook.covered_until) + ", " +
                       Span(*outlook.covered_until - outlook.now) + " ahead; target " +
                       ToString(outlook.horizon);
    if (*outlook.covered_until < outlook.horizon) {
      text += ", " + Span(outlook.horizon - *outlook.covered_until) + " short";
    }
    return text;
  }
  return "no: no partition holds rows of now" +
         (outlook.uncovered_since ? " (since " + ToString(*outlook.uncovered_since) + ")" : std::string()) +
         "; " + FateOfNewRows(policy, table, outlook) + "; target " + ToString(outlook.horizon);
}

void WriteHead(const Plan& plan, const Policy& policy, const Catalog& catalog, const Table& table,
               Page* page) {
  const Outlook& outlook = plan.outlook;
  const Server& server = catalog.server;
  page->Heading("Policy " + policy.name_space + '/' + policy.name + ", table " +
                QuoteName(table.schema, table.name));
  page->Field(2, "server",
              "PostgreSQL " + ServerVersion(server.version) + ", database " +
                  QuoteName(server.database_name) + ", role " + QuoteName(server.user));
  page->Field(2, "now",
              ToString(outlook.now) + (outlook.now == server.time ? std::string()
                                                                  : " (a preview: the server's clock says " +
                                                                        ToString(server.time) + ")"));
  if (policy.suspend) {
    page->Field(2, "mode", "suspended: nothing is applied (spec.suspend)", kYellow);
  } else if (policy.mode == Policy::Mode::kPlan) {
    page->Field(2, "mode", "Plan: nothing is applied (spec.mode)", kYellow);
  }
  const std::optional<KeyType> key = KeyTypeOf(table.key_column_type);
  if (catalog.table && key && *key != KeyType::kTimestampTz) {
    page->Field(2, "axis",
                QuoteName(policy.time_column) + " has no time zone: ranges and cutoffs in steps are wall " +
                    "time of " + policy.partitioning.time_zone + ", although written with Z");
  }
  if (outlook.horizon != Instant{}) {
    const bool reached =
        outlook.covered_for_ever || (outlook.covered_until && *outlook.covered_until >= outlook.horizon);
    page->Field(2, "covered", Coverage(outlook, policy, table),
                reached                 ? nullptr
                : outlook.covered_until ? kYellow
                                        : kRed);
  }
  if (outlook.cutoff && policy.retention) {
    page->Field(
        2, "expired",
        "rows before " + ToString(*outlook.cutoff) + " (keep " + ToString(policy.retention->keep) + ')' +
            (outlook.overdue_since ? "; the oldest partition is due since " + ToString(*outlook.overdue_since)
                                   : std::string()));
  }
}

// As in other tools that show plans: + adds, - takes rows away, ~ changes.
std::string Marked(const Action& action, const Table& table) {
  const bool adds = std::holds_alternative<CreatePartition>(action) ||
                    std::holds_alternative<CreateDefault>(action) ||
                    std::holds_alternative<ReattachPartition>(action);
  return (adds ? "+ " : Destructive(action) ? "- " : "~ ") + Describe(action, table);
}

const char* PaintOf(const Action& action) { return Destructive(action) ? kRed : kGreen; }

std::string Count(std::size_t count, const std::string& noun) {
  return std::to_string(count) + ' ' + noun + (count == 1 ? "" : "s");
}

void WriteSteps(const Plan& plan, const Policy& policy, const Catalog& catalog, const Table& table,
                Page* page) {
  const auto removals = static_cast<std::size_t>(std::count_if(
      plan.steps.begin(), plan.steps.end(), [](const Step& step) { return Destructive(step.action); }));
  const std::string taking = removals == 0   ? "none takes"
                             : removals == 1 ? "1 takes"
                                             : std::to_string(removals) + " take";
  page->Heading(Count(plan.steps.size(), "step") + "; " + taking + " rows out of the table:");
  const std::size_t width = std::to_string(plan.steps.size()).size();
  const std::vector<std::vector<Lock>> locks = LocksOfSteps(plan, policy, catalog);
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const Step& step = plan.steps[i];
    const std::string number = std::to_string(i + 1);
    page->Line(2 + width - number.size(), number + ". " + Marked(step.action, table), PaintOf(step.action));
    const std::size_t indent = 2 + width + 4;  // below the first word
    page->Field(indent, "because", step.reason);
    bool first = true;
    for (const Lock& lock : locks[i]) {
      page->Field(indent, std::exchange(first, false) ? "locks" : "",
                  lock.mode + " on " + lock.relation + " (" + lock.note + ')', kDim);
    }
  }
}

void WriteRest(const Plan& plan, const Table& table, Page* page) {
  const Instant now = plan.outlook.now;
  if (!plan.waiting.empty()) page->Heading("Waiting:", kYellow);
  for (const Waiting& waiting : plan.waiting) {
    page->Line(2, Marked(waiting.action, table));
    page->Field(4, "because", waiting.reason);
    page->Field(4, "until",
                waiting.until           ? In(*waiting.until, now)
                : plan.refusals.empty() ? "the next run"
                                        : "nothing is refused any more");
  }
  if (!plan.refusals.empty()) page->Heading("Refused:", kRed);
  for (const Refusal& refusal : plan.refusals) {
    page->Line(2, refusal.code + ": " + refusal.message, kRed);
    page->Field(
        4, "effect",
        refusal.stops_everything ? "no step is taken" : "no step that takes rows out of the table is taken");
    page->Field(4, "remedy", refusal.remedy);
  }
  if (!plan.advice.empty()) page->Heading("Advice:");
  for (const std::string& advice : plan.advice) page->Line(2, "* " + advice);
  if (!plan.wake_at && plan.hash.empty()) return;
  page->Line(0, "");
  if (plan.wake_at) page->Line(0, "Next change: " + In(*plan.wake_at, now));
  if (!plan.hash.empty()) page->Line(0, "Plan hash: " + plan.hash);
  if (plan.needs_acknowledgement) {
    page->Line(0, "To consent: partition-controller apply --spec FILE --acknowledge " + plan.hash, kYellow);
  }
}

}  // namespace

std::string ExplainText(const Plan& plan, const Policy& policy, const Catalog& catalog, bool colour) {
  const Table table = TableOf(policy, catalog);
  Page page(colour);
  WriteHead(plan, policy, catalog, table, &page);
  if (!plan.steps.empty()) {
    WriteSteps(plan, policy, catalog, table, &page);
  } else if (!plan.refusals.empty()) {
    page.Heading("Nothing is done.");
  } else {
    page.Heading(plan.waiting.empty() ? "Nothing to do." : "Nothing to do now.");
  }
  WriteRest(plan, table, &page);
  return page.Take();
}

}  // namespace partition_controller
