#include "controller/index_watch.h"

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <mutex>

#include "controller/connection.h"
#include "controller/fields.h"
#include "controller/session.h"

namespace partition_controller {
namespace {

// Less would be a guess from too few blocks.
constexpr std::chrono::seconds kFirstEstimate{5};

std::string Span(double seconds) {
  if (seconds < 90) return std::to_string(std::max(1L, std::lround(seconds))) + " s";
  if (seconds < 90 * 60) return std::to_string(std::lround(seconds / 60)) + " min";
  return std::to_string(std::lround(seconds / 3600)) + " h";
}

// Sleeps; false once stopped.
bool Rest(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any woken;
  std::unique_lock lock(mutex);
  woken.wait_for(lock, stop, std::chrono::seconds(1), [] { return false; });
  return !stop.stop_requested();
}

void Ask(Session& session, Oid table, const std::stop_token& stop, const IndexWatch::Say& say) {
  std::string phase;
  auto since = std::chrono::steady_clock::now();
  while (Rest(stop)) {
    const Result found = session.Query(
        "SELECT phase, CASE WHEN blocks_total > 0 THEN blocks_done::float8 / blocks_total WHEN tuples_total "
        "> "
        "0 THEN tuples_done::float8 / tuples_total END, coalesce(current_locker_pid, 0) FROM "
        "pg_catalog.pg_stat_progress_create_index WHERE datname = pg_catalog.current_database() AND relid = "
        "$1::oid",
        {std::to_string(table)});
    if (found.rows.empty()) continue;
    const Row& row = found.rows.front();
    if (Text(row[0]) != phase) since = std::chrono::steady_clock::now();
    phase = Text(row[0]);
    const auto elapsed =
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - since);
    const std::int64_t holder = Number(row[2]);
    const std::string where = phase + (holder == 0 ? "" : ", held up by pid " + std::to_string(holder));
    say(where, BuildingText(where, row[1] && holder == 0 ? std::optional(std::stod(*row[1])) : std::nullopt,
                            elapsed));
  }
}

}  // namespace

std::string BuildingText(const std::string& phase, std::optional<double> fraction,
                         std::chrono::seconds elapsed) {
  if (!fraction) return phase;
  std::string text = std::to_string(static_cast<int>(*fraction * 100)) + " %";
  if (elapsed >= kFirstEstimate && *fraction > 0) {
    text += ", about " + Span(static_cast<double>(elapsed.count()) * (1 - *fraction) / *fraction) + " left";
  }
  return text + " (" + phase + ")";
}

IndexWatch::IndexWatch(const Connector& connect, const ConnectionSpec& connection, Oid table, Say say)
    : thread_([connect, connection, table, say = std::move(say)](const std::stop_token& stop) {
        try {
          const std::unique_ptr<Session> session = connect(connection);
          const std::stop_callback cancel(stop, [&session] { session->Cancel(); });
          Ask(*session, table, stop, say);
        } catch (const DatabaseError&) {  // NOLINT(bugprone-empty-catch): it was for show
        } catch (const ConnectionProblem&) {
        }
      }) {}

}  // namespace partition_controller
