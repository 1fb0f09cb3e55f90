#include "controller/spec_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/spec_watcher.h"
#include "tests/support/temp_folder.h"

namespace partition_controller {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::string Spec(const std::string& name, const std::string& table, const std::string& env = "DATABASE_URL") {
  return "apiVersion: edgewatch.dev/v1alpha1\n"
         "kind: PartitionPolicy\n"
         "metadata: {name: " +
         name +
         ", namespace: edgewatch}\n"
         "spec:\n"
         "  connection: {env: " +
         env +
         "}\n"
         "  table: {name: " +
         table +
         "}\n"
         "  timeColumn: ts\n";
}

std::vector<std::string> Names(const std::vector<Policy>& policies) {
  std::vector<std::string> names;
  names.reserve(policies.size());
  for (const Policy& policy : policies) names.push_back(policy.name);
  return names;
}

class SpecFilesTest : public testing::Test {
 protected:
  SpecSet Load(const std::vector<std::string>& paths) { return LoadSpecs(paths); }
  TempFolder folder_;
};

TEST_F(SpecFilesTest, AFolderIsItsSpecFilesInNameOrder) {
  folder_.Write("b.yml", Spec("b", "tb"));
  folder_.Write("a.yaml", Spec("a", "ta") + "---\n" + Spec("a2", "ta2"));
  folder_.Write("c.json", R"({"apiVersion": "edgewatch.dev/v1alpha1", "kind": "PartitionPolicy",
      "metadata": {"name": "c", "namespace": "edgewatch"},
      "spec": {"connection": {"env": "DATABASE_URL"}, "table": {"name": "tc"}, "timeColumn": "ts"}})");
  folder_.Write("README.md", "not a policy");
  folder_.Write(".hidden.yaml", "not: [a policy");
  std::filesystem::create_directory(folder_.File("sub.yaml"));
  folder_.Write("sub.yaml/d.yaml", Spec("d", "td"));
  const SpecSet specs = Load({folder_.path()});
  EXPECT_THAT(specs.problems, IsEmpty());
  EXPECT_THAT(Names(specs.policies), ElementsAre("a", "a2", "b", "c"));
}

TEST_F(SpecFilesTest, AFileThatIsNamedTwiceIsReadOnce) {
  const std::string file = folder_.Write("a.yaml", Spec("a", "ta"));
  EXPECT_THAT(Names(Load({file, folder_.path(), folder_.path() + "/./a.yaml"}).policies), ElementsAre("a"));
}

TEST_F(SpecFilesTest, ProblemsShowFileLineAndCaret) {
  const std::string file = folder_.Write("a.yaml", Spec("a", "ta") + "  retnetion: {}\n");
  const SpecSet specs = Load({file});
  ASSERT_THAT(specs.problems, SizeIs(1));
  EXPECT_EQ(specs.bad_files, 1);
  EXPECT_THAT(specs.problems[0], HasSubstr(file + ":8:3: "));
  EXPECT_THAT(specs.problems[0], HasSubstr("retention"));
  EXPECT_THAT(specs.problems[0], HasSubstr("\n  ^"));
}

TEST_F(SpecFilesTest, AllFilesAreChecked) {
  folder_.Write("a.yaml", "kind: [");
  folder_.Write("b.yaml", "kind: Deployment\n");
  folder_.Write("c.yaml", Spec("c", "tc"));
  const SpecSet specs = Load({folder_.path(), folder_.File("none.yaml")});
  EXPECT_EQ(specs.bad_files, 3);
  EXPECT_THAT(specs.problems, testing::Contains(HasSubstr("no such file or folder")));
  EXPECT_THAT(Names(specs.policies), ElementsAre("c"));
}

TEST_F(SpecFilesTest, NothingFoundIsAProblem) {
  EXPECT_THAT(Load({folder_.path()}).problems, ElementsAre(HasSubstr("no PartitionPolicy found")));
}

TEST_F(SpecFilesTest, TheLaterOfTwoWithOneNameIsLeftOut) {
  folder_.Write("a.yaml", Spec("same", "ta"));
  folder_.Write("b.yaml", Spec("same", "tb"));
  const SpecSet specs = Load({folder_.path()});
  ASSERT_THAT(specs.policies, SizeIs(1));
  EXPECT_EQ(specs.policies[0].table.name, "ta");
  EXPECT_THAT(specs.problems, ElementsAre(HasSubstr("b.yaml: policy edgewatch/same is already defined in " +
                                                    folder_.File("a.yaml"))));
}

TEST_F(SpecFilesTest, TheLaterOfTwoForOneTableIsLeftOut) {
  const std::string file = folder_.Write("a.yaml", Spec("one", "t") + "---\n" + Spec("two", "t") + "---\n" +
                                                       Spec("three", "t", "OTHER_DATABASE_URL"));
  const SpecSet specs = Load({file});
  EXPECT_THAT(Names(specs.policies), ElementsAre("one", "three"));
  EXPECT_THAT(specs.problems, ElementsAre(HasSubstr("policy edgewatch/two is for table public.t")));
}

class SpecWatcherTest : public SpecFilesTest {
 protected:
  // Polls as often as a change needs to be taken.
  bool Settle(SpecWatcher& watcher) {
    bool changed = watcher.Poll();
    changed = watcher.Poll() || changed;
    return watcher.Poll() || changed;
  }
};

TEST_F(SpecWatcherTest, TheFirstPollReadsEverything) {
  folder_.Write("a.yaml", Spec("a", "ta"));
  SpecWatcher watcher({folder_.path()});
  EXPECT_TRUE(watcher.Poll());
  EXPECT_TRUE(watcher.all_known());
  EXPECT_THAT(Names(watcher.specs().policies), ElementsAre("a"));
  EXPECT_FALSE(watcher.Poll());
}

TEST_F(SpecWatcherTest, FilesAreAddedChangedAndDeleted) {
  folder_.Write("a.yaml", Spec("a", "ta"));
  SpecWatcher watcher({folder_.path()});
  watcher.Poll();
  folder_.Write("b.yaml", Spec("b", "tb"));
  EXPECT_TRUE(Settle(watcher));
  EXPECT_THAT(Names(watcher.specs().policies), ElementsAre("a", "b"));
  folder_.Write("a.yaml", Spec("a-longer", "ta"));
  EXPECT_TRUE(Settle(watcher));
  EXPECT_THAT(Names(watcher.specs().policies), ElementsAre("a-longer", "b"));
  folder_.Remove("a.yaml");
  EXPECT_TRUE(Settle(watcher));
  EXPECT_THAT(Names(watcher.specs().policies), ElementsAre("b"));
}

TEST_F(SpecWatcherTest, ARenameOfTheSameSizeAndTimeIsNoticed) {
  const std::string file = folder_.Write("a.yaml", Spec("a", "t1"));
  SpecWatcher watcher({file});
  watcher.Poll();
  folder_.Write("a.new", Spec("a", "t2"));
  std::filesystem::last_write_time(folder_.File("a.new"), std::filesystem::last_write_time(file));
  std::filesystem::rename(folder_.File("a.new"), file);
  EXPECT_TRUE(Settle(watcher));
  EXPECT_EQ(watcher.specs().policies.at(0).table.name, "t2");
}

TEST_F(SpecWatcherTest, AConfigMapThatIsSwappedIsNoticed) {
  for (const char* version : {"..1", "..2"}) std::filesystem::create_directory(folder_.File(version));
  folder_.Write("..1/a.yaml", Spec("a", "t1"));
  folder_.Write("..2/a.yaml", Spec("a", "t2"));
  std::filesystem::create_symlink("..1", folder_.File("..data"));
  std::filesystem::create_symlink("..data/a.yaml", folder_.File("a.yaml"));
  SpecWatcher watcher({folder_.path()});
  watcher.Poll();
  ASSERT_THAT(watcher.specs().policies, SizeIs(1));
  std::filesystem::create_symlink("..2", folder_.File("..data_tmp"));
  std::filesystem::rename(folder_.File("..data_tmp"), folder_.File("..data"));
  EXPECT_TRUE(Settle(watcher));
  EXPECT_EQ(watcher.specs().policies.at(0).table.name, "t2");
}

TEST_F(SpecWatcherTest, AChangeCountsOnceTheFileStandsStill) {
  const std::string file = folder_.Write("a.yaml", Spec("a", "ta"));
  SpecWatcher watcher({file});
  watcher.Poll();
  folder_.Write("a.yaml", "");  // about to be written
  EXPECT_FALSE(watcher.Poll());
  folder_.Write("a.yaml", Spec("a", "changed"));
  EXPECT_FALSE(watcher.Poll());
  EXPECT_TRUE(watcher.Poll());
  EXPECT_EQ(watcher.specs().policies.at(0).table.name, "changed");
}

TEST_F(SpecWatcherTest, AReloadTakesChangesAtOnce) {
  const std::string file = folder_.Write("a.yaml", Spec("a", "ta"));
  SpecWatcher watcher({file});
  watcher.Poll();
  folder_.Write("a.yaml", Spec("a", "changed"));
  EXPECT_TRUE(watcher.Poll(true));
  EXPECT_EQ(watcher.specs().policies.at(0).table.name, "changed");
}

TEST_F(SpecWatcherTest, AFileWithProblemsKeepsItsLastGoodPolicies) {
  folder_.Write("a.yaml", Spec("a", "ta"));
  folder_.Write("b.yaml", Spec("b", "tb"));
  SpecWatcher watcher({folder_.path()});
  watcher.Poll();
  folder_.Write("a.yaml", Spec("a", "other") + "  retnetion: {}\n");
  EXPECT_TRUE(Settle(watcher));
  EXPECT_EQ(watcher.specs().bad_files, 1);
  EXPECT_THAT(Names(watcher.specs().policies), ElementsAre("a", "b"));
  EXPECT_EQ(watcher.specs().policies[0].table.name, "ta");
  EXPECT_TRUE(watcher.all_known());
  folder_.Write("a.yaml", Spec("a", "mended"));
  EXPECT_TRUE(Settle(watcher));
  EXPECT_EQ(watcher.specs().bad_files, 0);
  EXPECT_EQ(watcher.specs().policies[0].table.name, "mended");
}

TEST_F(SpecWatcherTest, AFileThatWasNeverGoodIsNotKnown) {
  const std::string file = folder_.Write("a.yaml", "kind: [");
  SpecWatcher watcher({file});
  watcher.Poll();
  EXPECT_FALSE(watcher.all_known());
  EXPECT_EQ(watcher.specs().bad_files, 1);
}

TEST_F(SpecWatcherTest, AFileThatIsMissingForOnePollIsNotDeleted) {
  const std::string file = folder_.Write("a.yaml", Spec("a", "ta"));
  SpecWatcher watcher({file});
  watcher.Poll();
  folder_.Remove("a.yaml");
  EXPECT_FALSE(watcher.Poll());
  folder_.Write("a.yaml", Spec("a", "ta"));
  EXPECT_FALSE(Settle(watcher));
}

TEST_F(SpecWatcherTest, AFolderThatCannotBeFoundReleasesNothing) {
  const std::string inner = folder_.File("specs");
  std::filesystem::create_directory(inner);
  folder_.Write("specs/a.yaml", Spec("a", "ta"));
  SpecWatcher watcher({inner});
  watcher.Poll();
  std::filesystem::rename(inner, folder_.File("elsewhere"));
  EXPECT_TRUE(Settle(watcher));  // there is a problem now
  EXPECT_THAT(Names(watcher.specs().policies), ElementsAre("a"));
  EXPECT_EQ(watcher.specs().bad_files, 1);
  std::filesystem::rename(folder_.File("elsewhere"), inner);
  EXPECT_TRUE(Settle(watcher));
  EXPECT_EQ(watcher.specs().bad_files, 0);
}

}  // namespace
}  // namespace partition_controller
