// Names and values as SQL text, independent of any session setting.

#ifndef PARTITION_CONTROLLER_RECONCILERS_QUOTE_H_
#define PARTITION_CONTROLLER_RECONCILERS_QUOTE_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace partition_controller {

// "name" in double quotes, always.  Throws std::invalid_argument for an empty
// name or one that holds a NUL byte, which no identifier can.
std::string QuoteName(std::string_view name);
std::string QuoteName(std::string_view schema, std::string_view name);
// 'text'; E'text' when it holds a backslash, so that
// standard_conforming_strings does not matter.  Throws as QuoteName on NUL.
std::string QuoteLiteral(std::string_view text);
// $tag$text$tag$ with a tag that does not occur in `text`.
std::string DollarQuote(std::string_view text);

// The longest beginning of `text` that has at most `limit` bytes and ends at a
// UTF-8 boundary.
std::string_view CutText(std::string_view text, std::size_t limit);

// Other people's queries, fit to be shown: string and dollar-quoted constants
// and numbers become ?, comments go, white space is folded, at most `limit`
// bytes (cut at a UTF-8 boundary, then ending in "...").  Control characters
// become spaces, bytes that are not UTF-8 become ?, so that any log can hold it.
std::string MaskLiterals(std::string_view query, std::size_t limit);
// Its words, quoted names, masked constants and single other characters; an
// empty one for white space or a comment.
std::vector<std::string> MaskedTokens(std::string_view query);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_QUOTE_H_
