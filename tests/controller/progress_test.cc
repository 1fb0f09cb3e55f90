#include "controller/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace partition_controller {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(ProgressTest, ElsewhereEveryEndedStepIsALine) {
  std::ostringstream out;
  {
    Progress progress(out, false);
    progress.Show(0, 2, "create a", false);
    progress.Show(1, 2, "create a", true);
    progress.Show(2, 2, "create \x1b[31mb", true);
  }
  EXPECT_EQ(out.str(), "1/2 create a\n2/2 create \\x1B[31mb\n");
}

TEST(ProgressTest, OnATerminalABarIsRedrawnAndTakenAway) {
  std::ostringstream out;
  {
    Progress progress(out, true);
    progress.Show(1, 2, "create a", true);
    EXPECT_THAT(out.str(), HasSubstr("[############............] 1/2 create a"));
    EXPECT_THAT(out.str(), Not(HasSubstr("\n")));
  }
  EXPECT_TRUE(out.str().ends_with("\r\x1b[K"));
}

TEST(ProgressTest, NotesAreLinesWhereThereIsNoBar) {
  std::ostringstream out;
  Progress progress(out, false);
  for (const char* text : {"waiting", "waiting", "scanning", "waiting"}) progress.Note(text);
  EXPECT_EQ(out.str(), "waiting\nscanning\nwaiting\n");
  std::ostringstream terminal;
  Progress(terminal, true).Note("waiting");
  EXPECT_EQ(terminal.str(), "");
}

TEST(ProgressTest, LongStepsFitALine) {
  std::ostringstream out;
  Progress progress(out, true);
  progress.Show(1, 1, std::string(43, 'x') + "\u00e4\u00e4\u00e4\u00e4", true);
  EXPECT_THAT(out.str(), HasSubstr("x..."));
  EXPECT_LT(out.str().size(), 90u);
}

}  // namespace
}  // namespace partition_controller
