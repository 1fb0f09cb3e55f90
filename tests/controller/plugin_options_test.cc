#include "controller/plugin_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace partition_controller {
namespace {

using ::testing::HasSubstr;
using Command = PluginOptions::Command;

TEST(PluginOptions, AreThoseOfKubectl) {
  const auto parsed = ParsePluginOptions(
      {"why", "points", "-n", "shop", "--context=prod", "--kubeconfig", "/tmp/config", "-o", "json"});
  ASSERT_TRUE(parsed.options) << parsed.err;
  EXPECT_EQ(parsed.options->command, Command::kWhy);
  EXPECT_EQ(parsed.options->name, "points");
  EXPECT_EQ(parsed.options->name_space, "shop");
  EXPECT_EQ(parsed.options->context, "prod");
  EXPECT_EQ(parsed.options->kubeconfig, "/tmp/config");
  EXPECT_EQ(parsed.options->output, PluginOptions::Output::kJson);
  const auto more = ParsePluginOptions({"status", "--cluster", "east", "--user=me", "--request-timeout", "2m",
                                        "-l", "app=shop", "-o", "yaml"});
  ASSERT_TRUE(more.options) << more.err;
  EXPECT_EQ(more.options->overrides.cluster, "east");
  EXPECT_EQ(more.options->overrides.user, "me");
  EXPECT_EQ(more.options->request_timeout, std::chrono::minutes(2));
  EXPECT_EQ(more.options->selector, "app=shop");
  EXPECT_EQ(more.options->output, PluginOptions::Output::kYaml);
  EXPECT_EQ(ParsePluginOptions({"status", "--request-timeout=7"}).options->request_timeout,
            std::chrono::seconds(7));
  EXPECT_FALSE(ParsePluginOptions({"status", "--request-timeout=0"}).options->request_timeout);
  EXPECT_TRUE(ParsePluginOptions({"status", "-A"}).options->all_namespaces);
  EXPECT_TRUE(ParsePluginOptions({"undo", "points", "--release"}).options->release);
  EXPECT_FALSE(ParsePluginOptions({"undo", "points"}).options->release);
}

TEST(PluginOptions, SayWhereTheServerIsAndWhoAsks) {
  const auto parsed =
      ParsePluginOptions({"status", "-s", "https://h:6443", "--certificate-authority", "ca.pem",
                          "--token=abc", "--as", "system:serviceaccount:shop:jane", "-o", "wide"});
  ASSERT_TRUE(parsed.options) << parsed.err;
  EXPECT_EQ(parsed.options->overrides.server, "https://h:6443");
  EXPECT_EQ(parsed.options->overrides.authority, "ca.pem");
  EXPECT_EQ(parsed.options->overrides.token, "abc");
  EXPECT_EQ(parsed.options->overrides.impersonate, "system:serviceaccount:shop:jane");
  EXPECT_EQ(parsed.options->output, PluginOptions::Output::kWide);
  EXPECT_EQ(ParsePluginOptions({"undo", "a", "--server", "https://h"}).options->overrides.server,
            "https://h");
  EXPECT_FALSE(ParsePluginOptions({"why", "a", "-o", "wide"}).options) << "is no table";
  // They become headers; what is secret is not shown.
  EXPECT_FALSE(ParsePluginOptions({"status", "--as", "a\r\nb: c"}).options);
  const auto broken = ParsePluginOptions({"status", "--token", "s3cr3t\n"});
  EXPECT_FALSE(broken.options);
  EXPECT_THAT(broken.err, testing::Not(HasSubstr("s3cr3t")));
  for (const char* command : {"status", "plan", "why", "undo"}) {
    const std::string help = ParsePluginOptions({command, "--help"}).out;
    for (const char* flag : {"-s,--server", "--token", "--as ", "--certificate-authority"}) {
      EXPECT_THAT(help, HasSubstr(flag));
    }
  }
  EXPECT_THAT(ParsePluginOptions({"status", "--help"}).out, HasSubstr("wide"));
}

TEST(PluginOptions, RefuseWhatTheyDoNotUnderstand) {
  const std::vector<std::vector<std::string>> wrong = {{},
                                                       {"wy"},
                                                       {"why"},
                                                       {"undo"},
                                                       {"plan", "a", "b"},
                                                       {"status", "a", "--release"},
                                                       {"status", "a", "-A"},
                                                       {"status", "-A", "-n", "b"},
                                                       {"status", "-o", "xml"},
                                                       {"status", "a", "-l", "b=c"},
                                                       {"why", "a", "-l", "b=c"},
                                                       {"status", "--request-timeout", "soon"},
                                                       {"status", "--request-timeout", "-1s"},
                                                       {"status", "../../secrets"},
                                                       {"status", ".."},
                                                       {"status", "a", "-n", "b/c"},
                                                       {"status", "a?watch=1"}};
  for (const auto& arguments : wrong) {
    const auto parsed = ParsePluginOptions(arguments);
    EXPECT_FALSE(parsed.options) << testing::PrintToString(arguments);
    EXPECT_EQ(parsed.exit_code, 1);
    EXPECT_THAT(parsed.err, HasSubstr("kubectl partition --help"));
  }
  EXPECT_THAT(ParsePluginOptions({"wy"}).err, HasSubstr("did you mean 'why'"));
}

TEST(PluginOptions, Help) {
  const auto parsed = ParsePluginOptions({"--help"});
  EXPECT_EQ(parsed.exit_code, 0);
  for (const char* word : {"status", "plan", "why", "undo", "kubectl partition"}) {
    EXPECT_THAT(parsed.out, HasSubstr(word));
  }
  EXPECT_THAT(ParsePluginOptions({"undo", "--help"}).out, HasSubstr("--release"));
}

TEST(PluginOptions, TheNameDecides) {
  EXPECT_TRUE(IsPlugin("kubectl-partition"));
  EXPECT_TRUE(IsPlugin("/usr/local/bin/kubectl-partition"));
  EXPECT_FALSE(IsPlugin("/opt/kubectl-partition/partition-controller"));
  EXPECT_FALSE(IsPlugin("partition-controller"));
}

}  // namespace
}  // namespace partition_controller
