// Evaluates rules in the Common Expression Language.
//
//   node evaluate_rules.mjs FOLDER-OF-CEL-JS CASES.json
//
// Cases are [{rule, self, oldSelf}]; printed is a list of true, false or what
// went wrong, as text.  Nothing is added to the language: all functions that the
// rules use are the interpreter's own.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder, file] = process.argv.slice(2);
const { evaluate } = await import(pathToFileURL(`${folder}/lib/index.js`));

const answers = JSON.parse(readFileSync(file, "utf8")).map(({ rule, ...variables }) => {
  try {
    const answer = evaluate(rule, variables);
    return typeof answer === "boolean" ? answer : `not a boolean: ${answer}`;
  } catch (error) {
    return String(error.message);
  }
});
console.log(JSON.stringify(answers));
