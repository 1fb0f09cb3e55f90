#include "controller/status_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include <regex>
#include <sstream>

#include "controller/html.h"
#include "controller/status_parts.h"
#include "tests/support/page_sample.h"

namespace partition_controller {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const Instant kNow = *ParseInstant("2026-11-22T21:00:00Z");

// What keeps `html` from being well-formed: elements that are not closed, or
// closed by another name, attributes without quotes.  Empty: nothing.
std::string Flaw(const std::string& html) {
  std::vector<std::string> open;
  static const std::regex tag("<(/?)([a-zA-Z][a-zA-Z0-9]*)((?: [a-zA-Z][a-zA-Z0-9-]*=\"[^\"<]*\")*)(/?)>");
  std::size_t at = html.find('\n') + 1;  // after the doctype
  while ((at = html.find('<', at)) != std::string::npos) {
    std::smatch match;
    const auto from = html.begin() + static_cast<std::ptrdiff_t>(at);
    if (!std::regex_search(from, html.end(), match, tag, std::regex_constants::match_continuous)) {
      return "no tag: " + html.substr(at, 80);
    }
    at += static_cast<std::size_t>(match.length());
    const std::string name = match[2];
    if (match[1] == "/") {
      if (open.empty() || open.back() != name)
        return "</" + name + "> closes " + (open.empty() ? "" : open.back());
      open.pop_back();
    } else if (match[4] != "/" && name != "meta" && name != "br") {
      open.push_back(name);
    }
  }
  return open.empty() ? "" : "<" + open.back() + "> is open";
}

class StatusPageTest : public testing::Test {
 protected:
  void Add(const PageSample& sample) { snapshot_.policies[KeyOf(sample.policy)] = StateOf(sample, kNow); }
  void Change(const std::string& policy, const std::function<void(PolicyState&)>& change) {
    auto& slot = snapshot_.policies.at({"shop", policy});
    PolicyState state = *slot;
    change(state);
    slot = std::make_shared<const PolicyState>(std::move(state));
  }
  void SetCondition(const std::string& policy, const Condition& wanted) {
    Change(policy, [&](PolicyState& state) {
      for (Condition& condition : state.conditions) {
        if (condition.type == wanted.type) condition = wanted;
      }
    });
  }
  StatusPage Page() const { return {std::make_shared<const Snapshot>(snapshot_), kNow, false, "0.1.0"}; }
  std::string Overview() const { return OverviewPage(Page()); }
  std::string Table(const std::string& policy) const {
    return TablePage(Page(), {"shop", policy}).value_or("");
  }

  Snapshot snapshot_{{}, 0, true};
};

TEST(HtmlTest, OnlyLiteralsAreMarkup) {
  const char* const pointer = "<i>";
  const std::string text = "\"<b>&'";
  Html html;
  html << "<p>" << pointer << text << 42 << std::string_view("\x1b[31m\n") << "</p>";
  EXPECT_EQ(html.text(), "<p>&lt;i&gt;&quot;&lt;b&gt;&amp;&#39;42\\x1B[31m\\x0A</p>");
}

TEST(HtmlTest, DirectionsAndBrokenCharactersAreWrittenOut) {
  EXPECT_EQ(Name("a\u202Eb\xFF").text(), "<bdi>a\\u202Eb\\xFF</bdi>");
}

TEST(HtmlTest, NumbersForPeople) {
  EXPECT_EQ(Percent(0.125), "12.50%");
  EXPECT_EQ(Percent(7), "100.00%");
}

TEST(HtmlTest, TimesForPeople) {
  EXPECT_EQ(Relative(kNow, kNow), "now");
  EXPECT_EQ(Relative(kNow + hours(72), kNow), "in 3 d");
  EXPECT_EQ(Relative(kNow - seconds(89), kNow), "89 s ago");
  EXPECT_EQ(Relative(kNow - seconds(90), kNow), "1 min ago");
  EXPECT_EQ(Relative(kNow + hours(47), kNow), "in 47 h");
  EXPECT_EQ(Relative(kNow + hours(24 * 1'000), kNow), "in 2 y");
  EXPECT_EQ(Minute(kNow), "2026-11-22 21:00");
  EXPECT_EQ(Day(kNow), "2026-11-22");
  EXPECT_EQ(
      Time(kNow, kNow).text(),
      "<time datetime=\"2026-11-22T21:00:00Z\">2026-11-22 21:00</time> <span class=\"soft\">now</span>");
}

TEST_F(StatusPageTest, TheStyleIsTheOneThatThePolicyAllows) {
  const std::string style = kStatusStyle;
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(style.data()), style.size(), digest);
  unsigned char text[4 * SHA256_DIGEST_LENGTH];
  EVP_EncodeBlock(text, digest, sizeof digest);
  EXPECT_THAT(kStatusPagePolicy,
              AllOf(HasSubstr("default-src 'none'"),
                    HasSubstr("style-src 'sha256-" + std::string(reinterpret_cast<char*>(text)) + "'")));
  EXPECT_THAT(Overview(), HasSubstr("<style>" + style + "</style>"));
}

TEST_F(StatusPageTest, WithoutPolicies) {
  EXPECT_THAT(Overview(), AllOf(HasSubstr("<h1>No tables</h1>"), HasSubstr("There are no policies."),
                                Not(HasSubstr("<table"))));
  EXPECT_EQ(Flaw(Overview()), "");
  snapshot_ = {{}, 2, false};
  EXPECT_THAT(Overview(), AllOf(HasSubstr("Not all policies have been read well yet."),
                                HasSubstr("2 policies or files have problems")));
}

TEST_F(StatusPageTest, WhoStandsBySaysSoAndShowsNothingOld) {
  Add(MonthlySample("events", 2, kNow));
  StatusPage page = Page();
  page.stands_by = true;
  EXPECT_THAT(OverviewPage(page), AllOf(HasSubstr("This controller stands by."), Not(HasSubstr("events"))));
  EXPECT_FALSE(TablePage(page, {"shop", "events"}));
  EXPECT_THAT(NoTablePage(page), HasSubstr("This controller stands by."));
}

TEST_F(StatusPageTest, AHealthyTable) {
  Add(MonthlySample("events", 13, kNow));
  const std::string overview = Overview();
  EXPECT_THAT(overview,
              AllOf(HasSubstr("<h1>1 table, none in trouble</h1>"), HasSubstr("public.events"),
                    HasSubstr("href=\"table?namespace=shop&amp;policy=events\""), HasSubstr("2027-03-01"),
                    HasSubstr("in 98 d"), HasSubstr("13mo, Drop"), Not(HasSubstr("To look at"))));
  EXPECT_EQ(Flaw(overview), "");
  const std::string table = Table("events");
  EXPECT_THAT(table, AllOf(HasSubstr("Timeline of public.events"), HasSubstr("cutoff 2025-10-22"),
                           HasSubstr("horizon 2027-03-01"), HasSubstr("Nothing to do."),
                           HasSubstr("events_default</bdi>: empty"), HasSubstr("RetentionEnforced"),
                           HasSubstr("PostgreSQL 15.13"), HasSubstr("The table is as the policy declares")));
  EXPECT_EQ(Flaw(table), "");
}

TEST_F(StatusPageTest, TheWorstComesFirst) {
  for (const char* name :
       {"a-well", "b-work", "c-paused", "d-unread", "e-attention", "f-trouble", "g-uncovered"}) {
    PageSample sample = MonthlySample(name, 13, kNow);
    Add(sample);
  }
  SetCondition("b-work", {"Ready", "False", "Progressing", "1 step is due"});
  SetCondition("c-paused", {"Ready", "False", "Suspended", "nothing is done"});
  Change("d-unread", [](PolicyState& state) { state.conditions.clear(); });
  SetCondition("e-attention", {"DefaultPartitionEmpty", "False", "RowsPresent", "it holds 7 rows"});
  SetCondition("f-trouble", {"Stalled", "True", "TableNotFound", "there is no such table"});
  SetCondition("g-uncovered", {"Covered", "False", "RangeGap", "no partition holds rows of now"});
  const std::string overview = Overview();
  std::vector<std::string> order;
  static const std::regex link("policy=([a-z-]+)\"");
  for (auto it = std::sregex_iterator(overview.begin(), overview.end(), link); it != std::sregex_iterator();
       ++it) {
    order.push_back((*it)[1]);
  }
  EXPECT_THAT(order, ElementsAre("f-trouble", "g-uncovered", "e-attention", "d-unread", "c-paused", "b-work",
                                 "a-well"));
  EXPECT_THAT(overview, AllOf(HasSubstr("<h1>3 of 7 need attention</h1>"), HasSubstr("<b>2</b> Trouble"),
                              HasSubstr("<b>RowsPresent</b> it holds 7 rows"),
                              HasSubstr("<b>RangeGap</b> no partition holds rows of now")));
}

TEST_F(StatusPageTest, LevelsOfFailuresAndOfWhatGoesOnByItself) {
  Add(MonthlySample("events", 13, kNow));
  const auto level = [&] { return LevelOf(*snapshot_.policies.at({"shop", "events"})); };
  EXPECT_EQ(level(), Level::kWell);
  SetCondition("events", {"RollupsCurrent", "False", "Filling", ""});
  EXPECT_EQ(level(), Level::kWorking);
  SetCondition("events", {"RollupsCurrent", "False", "Behind", ""});
  EXPECT_EQ(level(), Level::kAttention);
  SetCondition("events", {"RollupsCurrent", "True", "AsDeclared", ""});
  SetCondition("events", {"RetentionEnforced", "False", "OutsideWindow", ""});
  EXPECT_EQ(level(), Level::kWorking);
  SetCondition("events", {"RetentionEnforced", "False", "Held", ""});
  EXPECT_EQ(level(), Level::kPaused);
  SetCondition("events", {"RetentionEnforced", "False", "Overdue", ""});
  EXPECT_EQ(level(), Level::kAttention);
  SetCondition("events", {"RetentionEnforced", "True", "AsDeclared", ""});
  Change("events", [](PolicyState& state) { state.failures = 1; });
  EXPECT_EQ(level(), Level::kAttention);
}

TEST_F(StatusPageTest, ATableThatCouldNotBeReadSaysWhy) {
  PolicyState away;
  away.table = "public.far";
  away.conditions = ConditionsOf(Failure{"DatabaseUnreachable", "connection refused", false});
  away.failures = 3;
  away.last_run = kNow - seconds(30);
  away.next_run = kNow + seconds(60);
  snapshot_.policies[{"shop", "far"}] = std::make_shared<const PolicyState>(away);
  EXPECT_THAT(Overview(), AllOf(HasSubstr("1 of 1 needs attention"), HasSubstr("connection refused")));
  EXPECT_THAT(Table("far"),
              AllOf(HasSubstr("3 failures in a row"), HasSubstr("30 s ago"), HasSubstr("in 60 s")));
  EXPECT_EQ(Flaw(Table("far")), "");
}

TEST_F(StatusPageTest, APlanHasReasonsLocksRefusalsAndWhatWaits) {
  PageSample sample = MonthlySample("events", 13, kNow);
  sample.catalog.table->partitions.pop_back();
  Add(sample);
  Change("events", [](PolicyState& state) {
    TableView view = *state.view;
    view.refusals = {{"ClockSkew", "the clocks differ", "set them", true}};
    view.waiting = {{'-', "drop table x", "in its undo window", {}, kNow + hours(5)}};
    view.more_waiting = 1'234;
    view.advice = {"drink water"};
    view.next = Upcoming{kNow + hours(9), "something expires"};
    state.view = std::make_shared<const TableView>(view);
    state.needs_acknowledgement = true;
    state.plan_hash = "0123456789abcdef";
    state.at_stake = AtStake{2, 1'600'000, 600'000'000};
    state.recent = {{kNow - hours(2), "detach y", "ends before the cutoff"}};
  });
  EXPECT_THAT(
      Table("events"),
      AllOf(HasSubstr("create partition"), HasSubstr("because: one of the 3 periods to be made ahead"),
            HasSubstr("SHARE ROW EXCLUSIVE"), HasSubstr("Refused: ClockSkew"), HasSubstr("no step is taken"),
            HasSubstr("in its undo window"), HasSubstr("in 5 h"), HasSubstr("and 1,234 more"),
            HasSubstr("drink water"), HasSubstr("something expires"), HasSubstr("0123456789abcdef"),
            HasSubstr("2 partitions, about 1,600,000 rows"), HasSubstr("because: ends before the cutoff"),
            HasSubstr("2 h ago"), HasSubstr("28 d short"), HasSubstr("to be made")));
  EXPECT_EQ(Flaw(Table("events")), "");
}

TEST_F(StatusPageTest, TablesOfRollupsStandUnderTheirTable) {
  Add(MonthlySample("events", 13, kNow));
  Add(MonthlySample("events-archive", 13, kNow));
  PageSample rollup = MonthlySample("events_hourly", 13, kNow);
  rollup.policy.name = "events/hourly";
  Add(rollup);
  SetCondition("events/hourly", {"DefaultPartitionEmpty", "False", "RowsPresent", ""});
  // The family is as bad as its worst member, and stays together.
  const std::string overview = Overview();
  const std::size_t parent = overview.find("policy=events\"");
  const std::size_t derived = overview.find("policy=events%2Fhourly\"");
  const std::size_t other = overview.find("policy=events-archive\"");
  ASSERT_NE(derived, std::string::npos);
  EXPECT_LT(parent, derived);
  EXPECT_LT(derived, other);
  EXPECT_THAT(overview, HasSubstr("<tr class=\"derived\">"));
  for (const char* name : {"events", "events/hourly"}) {
    EXPECT_THAT(Table(name),
                AllOf(HasSubstr("Timeline of public.events<"), HasSubstr("Timeline of public.events_hourly"),
                      HasSubstr("Tables of its rollups"), Not(HasSubstr("archive"))));
  }
  EXPECT_EQ(Table("events/daily"), "");
  EXPECT_EQ(Table("nothing"), "");
  EXPECT_EQ(TablePage(Page(), {"lab", "events"}), std::nullopt);
}

TEST_F(StatusPageTest, NoNameBreaksOut) {
  for (const std::string name :
       {"<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "'onload='alert(1)",
        "</title></style></svg>", "\u202Eolleh", "\u05E9\u05DC\u05D5\u05DD", "a\nb\x1B[31m", "bad\xFF\xFE",
        "<!--", "]]>", "&lt;"}) {
    SCOPED_TRACE(name);
    snapshot_.policies.clear();
    PageSample sample = MonthlySample(name, 3, kNow);
    sample.policy.table.schema = sample.catalog.table->schema = name;
    sample.policy.time_column = name;
    sample.catalog.server.database_name = name;
    sample.catalog.table->partitions.pop_back();
    sample.failure = {"InternalError", name, true};
    Detached detached;
    detached.name = name;
    detached.range = Range::Between(kNow - hours(4'000), kNow - hours(3'000));
    sample.catalog.table->detached = {detached};
    Add(sample);
    Change(name, [&](PolicyState& state) {
      state.recent = {{kNow, name, name}};
      state.rollups = {{name, name, std::nullopt, 0, 0, 0, 0, 0, 0, 0}};
      state.paused_rollups = {name};
      state.plan_hash = name;
      state.needs_acknowledgement = true;
      TableView view = *state.view;
      view.refusals = {{name, name, name, true}};
      view.advice = {name};
      view.next = Upcoming{kNow, name};
      view.waiting = {{'-', name, name, {name}, std::nullopt}};
      view.timeline->lanes = {{name, 0.1, 0.5, kNow, kNow}};
      state.view = std::make_shared<const TableView>(view);
    });
    Html escaped;
    escaped << name;
    for (const std::string& html : {Overview(), Table(name)}) {
      EXPECT_EQ(Flaw(html), "");
      EXPECT_THAT(html, HasSubstr(escaped.text()));
      EXPECT_THAT(html, AllOf(Not(HasSubstr("<script")), Not(HasSubstr("<img")), Not(HasSubstr("\u202E")),
                              Not(HasSubstr("\x1B")), Not(HasSubstr("\xFF"))));
    }
  }
}

TEST_F(StatusPageTest, ManyTablesAreFoldedAndSmall) {
  for (int i = 0; i < 200; ++i) Add(MonthlySample("table_" + std::to_string(i), 24, kNow));
  EXPECT_THAT(Overview(),
              AllOf(HasSubstr("<summary>200 policies</summary>"), HasSubstr("policy=table_199\"")));
  EXPECT_LT(Overview().size(), 500'000U);
  EXPECT_EQ(Flaw(Overview()), "");
}

TEST_F(StatusPageTest, ThousandsOfPartitionsAreASmallPage) {
  PageSample sample = MonthlySample("hours", 0, kNow);
  sample.policy.partitioning.granularity = Granularity::kHour;
  sample.policy.retention.reset();
  sample.catalog.table->partitions.clear();
  for (int i = -9'000; i < 4; ++i) {
    AddPartition(std::string(60, 'x'), Range::Between(kNow + hours(i), kNow + hours(i + 1)), 1'000,
                 &sample.catalog);
  }
  Add(sample);
  EXPECT_THAT(Table("hours"), HasSubstr("9,004 partitions between"));
  EXPECT_LT(Table("hours").size(), 250'000U);
}

TEST_F(StatusPageTest, PlainTablesHaveNoTimeline) {
  PageSample sample = MonthlySample("events", 0, kNow);
  sample.catalog.table->kind = Table::Kind::kPlain;
  sample.catalog.table->partitions.clear();
  sample.catalog.table->default_partition.reset();
  sample.catalog.table->rows = 12'000'000;
  sample.policy.partitioning.conversion = Partitioning::Conversion::kOnline;
  Add(sample);
  EXPECT_THAT(Table("events"), AllOf(HasSubstr("plain table, about 12,000,000 rows"), HasSubstr("Conversion"),
                                     Not(HasSubstr("<figure"))));
  EXPECT_EQ(Flaw(Table("events")), "");
}

TEST_F(StatusPageTest, AVeryLongMessageIsCutBetweenCharacters) {
  Add(MonthlySample("events", 13, kNow));
  std::string message = "x";
  for (int i = 0; i < 300; ++i) message += "\u00E9";
  SetCondition("events", {"Ready", "False", "InternalError", message});
  EXPECT_THAT(Overview(), AllOf(HasSubstr("\u00E9..."), Not(HasSubstr("\\xC3"))));
  EXPECT_THAT(Table("events"), HasSubstr(message));
}

}  // namespace
}  // namespace partition_controller
