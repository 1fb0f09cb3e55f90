// Text of unknown origin: what its characters are, and how to show it safely.

#ifndef PARTITION_CONTROLLER_CRD_TEXT_H_
#define PARTITION_CONTROLLER_CRD_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace partition_controller {

// The number of bytes of the first character, 0 if `text` does not begin with
// a valid UTF-8 character.  `*character` is set unless 0 is returned.
std::size_t FirstCharacter(std::string_view text, char32_t* character);

// How many characters; each byte that is no valid UTF-8 counts as one.
std::size_t CountCharacters(std::string_view text);

// `text` with control characters, invisible and direction-changing characters
// and invalid bytes written as \x1B or \u202E.  Never changes its own output.
std::string Printable(std::string_view text);

// Whether it looks like a connection string or a password, which are never shown.
bool MayHoldSecret(std::string_view text);

// Where the lower-case `word` is in `text`, from `from` on, ignoring case; npos if nowhere.
std::size_t FindIgnoringCase(std::string_view text, std::string_view word, std::size_t from);

// For messages: printable, in single quotes, shortened to about 60 characters;
// "(not shown)" for what may hold a secret.
std::string Quoted(std::string_view text);

// "12.3 GiB"; three digits at least where there are as many.
std::string BytesText(std::int64_t bytes);

// "4,500,000"
std::string Grouped(std::int64_t number);

// As part of a URL's path or query: all but letters, digits, '-', '.' and '_' as %XX.
std::string PercentEncoded(std::string_view text);

// RFC 1123 names as Kubernetes checks them: a label, and labels joined by dots.
bool IsDnsLabel(std::string_view text);
bool IsDnsSubdomain(std::string_view text);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CRD_TEXT_H_
