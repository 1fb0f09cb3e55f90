#include "crd/text.h"

#include <gtest/gtest.h>

#include <string>

namespace partition_controller {
namespace {

using namespace std::string_literals;

TEST(FirstCharacter, ReadsEveryLength) {
  char32_t c = 0;
  EXPECT_EQ(FirstCharacter("az", &c), 1u);
  EXPECT_EQ(c, U'a');
  EXPECT_EQ(FirstCharacter("\xC3\xA9z", &c), 2u);
  EXPECT_EQ(c, U'\u00E9');
  EXPECT_EQ(FirstCharacter("\xE2\x82\xACz", &c), 3u);
  EXPECT_EQ(c, U'\u20AC');
  EXPECT_EQ(FirstCharacter("\xF0\x9F\x98\x80z", &c), 4u);
  EXPECT_EQ(c, U'\U0001F600');
}

TEST(FirstCharacter, RefusesWhatIsNotUtf8) {
  char32_t c = 0;
  for (const char* text : {"", "\x80", "\xC0\x80", "\xC3", "\xC3z", "\xE0\x80\x80", "\xED\xA0\x80",
                           "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF"}) {
    EXPECT_EQ(FirstCharacter(text, &c), 0u) << Printable(text);
  }
}

TEST(Printable, EscapesWhatATerminalObeys) {
  EXPECT_EQ(Printable("a\x1B[31mb\n\t\x7F"), "a\\x1B[31mb\\x0A\\x09\\x7F");
  EXPECT_EQ(Printable("a\0b"s), "a\\x00b");
  EXPECT_EQ(Printable("\xC2\x9B"), "\\u009B");      // an escape sequence in one character
  EXPECT_EQ(Printable("\xE2\x80\xAE"), "\\u202E");  // right to left from here
  EXPECT_EQ(Printable("\xF3\xA0\x80\x81"), "\\U000E0001");
  EXPECT_EQ(Printable("\xFF\xC3"), "\\xFF\\xC3");
  EXPECT_EQ(Printable("caf\xC3\xA9 \\ \xF0\x9F\x98\x80"), "caf\xC3\xA9 \\ \xF0\x9F\x98\x80");
}

TEST(CountCharacters, CountsInvalidBytesOneByOne) {
  EXPECT_EQ(CountCharacters(""), 0u);
  EXPECT_EQ(CountCharacters("caf\xC3\xA9"), 4u);
  EXPECT_EQ(CountCharacters("\xFF\xFF"), 2u);
}

TEST(Quoted, ShortensBetweenCharacters) {
  EXPECT_EQ(Quoted("a\nb"), "'a\\x0Ab'");
  EXPECT_EQ(Quoted(std::string(60, 'x')), "'" + std::string(60, 'x') + "'");
  EXPECT_EQ(Quoted(std::string(61, 'x')), "'" + std::string(60, 'x') + "...'");
  EXPECT_EQ(Quoted(std::string(59, 'x') + "\xC3\xA9\xC3\xA9"), "'" + std::string(59, 'x') + "\xC3\xA9...'");
}

TEST(Quoted, HidesWhatMayBeASecret) {
  EXPECT_EQ(Quoted("postgres://u:hunter2@db/x"), "(not shown)");
  EXPECT_EQ(Quoted("host=db PassWord = hunter2"), "(not shown)");
  EXPECT_EQ(Quoted("PGPASSWORD=hunter2"), "(not shown)");
  EXPECT_EQ(Quoted("password_changed_at"), "'password_changed_at'");
}

TEST(DnsNames, AreCheckedAsKubernetesDoes) {
  for (const char* text : {"a", "0", "a-b", "telemetry-points", "a1"}) EXPECT_TRUE(IsDnsLabel(text)) << text;
  for (const char* text : {"", "-a", "a-", "A", "a_b", "a.b", "\xC3\xA9"})
    EXPECT_FALSE(IsDnsLabel(text)) << text;
  for (const char* text : {"a", "a.b", "a-b.c-d", "1.2"}) EXPECT_TRUE(IsDnsSubdomain(text)) << text;
  for (const char* text : {"", ".", "a.", ".a", "a..b", "a-.b", "a.-b", "A", "a/b"}) {
    EXPECT_FALSE(IsDnsSubdomain(text)) << text;
  }
  EXPECT_TRUE(IsDnsLabel(std::string(63, 'a')));
  EXPECT_FALSE(IsDnsLabel(std::string(64, 'a')));
  EXPECT_TRUE(IsDnsSubdomain(std::string(253, 'a')));
  EXPECT_FALSE(IsDnsSubdomain(std::string(254, 'a')));
}

TEST(Text, SizesAndNumbersAreForPeople) {
  EXPECT_EQ(Grouped(0), "0");
  EXPECT_EQ(Grouped(999), "999");
  EXPECT_EQ(Grouped(-1'000), "-1,000");
  EXPECT_EQ(Grouped(4'500'000), "4,500,000");
  EXPECT_EQ(BytesText(0), "0 B");
  EXPECT_EQ(BytesText(1'023), "1023 B");
  EXPECT_EQ(BytesText(8'192), "8.0 KiB");
  EXPECT_EQ(BytesText(1'023 * 1'024), "1023 KiB");
  EXPECT_EQ(BytesText(1'270'000'000'000), "1.2 TiB");
}

TEST(Text, UrlsHoldAnything) {
  EXPECT_EQ(PercentEncoded("aZ09-._"), "aZ09-._");
  EXPECT_EQ(PercentEncoded("a b/\"\u00E9"), "a%20b%2F%22%C3%A9");
}

}  // namespace
}  // namespace partition_controller
