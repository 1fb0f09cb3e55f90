// How the status page looks.  Colours are never alone: a shape, a pattern or a
// word says the same.

#include "controller/status_parts.h"

namespace partition_controller {

const char kStatusStyle[] = R"css(
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#1b2128;--soft:#55606c;--rule:#d5dbe1;--rail:#e9edf1;
--link:#0b57a8;--trouble:#b3231a;--attention:#875400;--unread:#5b6672;--paused:#5f4b9b;--working:#0b57a8;--well:#1b6e3c;
--kept:#7d9bbd;--current:#1f6fc4;--ahead:#e3edf8;--ring:#8fa9c6;--due:#a86400;--in:#fff}
@media (prefers-color-scheme:dark){:root{--bg:#10151b;--card:#171e26;--ink:#e4eaf0;--soft:#9eabb8;--rule:#2e3843;
--rail:#222b35;--link:#83bbf5;--trouble:#ff8d84;--attention:#f0b755;--unread:#a3b0bd;--paused:#bda9f5;--working:#83bbf5;
--well:#75cf95;--kept:#4f6f94;--current:#4b98e8;--ahead:#1d2a39;--ring:#52708f;--due:#d89a36;--in:#10151b}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1240px;padding:0 20px 40px;background:var(--bg);color:var(--ink);
font:14px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;font-variant-numeric:tabular-nums;
overflow-wrap:anywhere}
.defs{position:absolute}
header{display:flex;flex-wrap:wrap;justify-content:space-between;gap:0 16px;padding:12px 0;border-bottom:1px solid var(--rule)}
p{margin:0 0 6px}header p{margin:0}
.brand a{font-weight:600;color:var(--ink);text-decoration:none}
a{color:var(--link)}a:focus-visible,summary:focus-visible{outline:2px solid var(--link);outline-offset:2px}
.soft{color:var(--soft)}b{font-weight:600}
nav{margin-top:14px}
h1{font-size:22px;line-height:1.25;font-weight:600;margin:16px 0 10px}
h2{font-size:16px;font-weight:600;margin:22px 0 8px}h3{font-size:14px;font-weight:600;margin:18px 0 6px}
.shape{vertical-align:-1px;fill:var(--c);flex:none}.shape .in{fill:none;stroke:var(--in);stroke-width:1.6}
.shape .ring{fill:none;stroke:var(--c);stroke-width:1.6}
.trouble{--c:var(--trouble)}.attention{--c:var(--attention)}.unread{--c:var(--unread)}.paused{--c:var(--paused)}
.working{--c:var(--working)}.well{--c:var(--well)}
.badge{color:var(--c);font-weight:600;white-space:nowrap}
.tally{list-style:none;display:flex;flex-wrap:wrap;gap:4px 18px;margin:0;padding:0}
.notice{background:var(--card);border:1px solid var(--rule);border-radius:6px;padding:8px 12px;margin:8px 0}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:7px 12px 7px 0;font-weight:400}
thead th{color:var(--soft);font-size:12px;padding-bottom:3px}
tbody tr{border-top:1px solid var(--rule)}
.num{text-align:right}th:last-child,td:last-child{padding-right:0}
.fleet{background:var(--card);border:1px solid var(--rule);border-radius:6px;border-collapse:separate;border-spacing:0}
.fleet th,.fleet td{padding:7px 12px}.fleet thead th{padding-bottom:3px}
.fleet tbody td,.fleet tbody th{border-top:1px solid var(--rule)}
.fleet{table-layout:fixed}.fleet th:nth-child(1){width:112px}.fleet th:nth-child(3){width:122px}
.fleet th:nth-child(4){width:112px}.fleet th:nth-child(5){width:122px}.fleet th:nth-child(6){width:230px}
.narrow{display:none}
.fleet .derived td,.fleet .derived th{border-top-style:dotted}
.fleet .derived a::before{content:"\21B3\00A0";content:"\21B3\00A0" / "";color:var(--soft);display:inline-block}
.fleet a{font-weight:600;text-decoration:none}.fleet a:hover{text-decoration:underline}
.who{display:grid;grid-template-columns:minmax(0,1fr) 200px;gap:2px 16px;align-items:center}
.says{margin:4px 0 0;font-size:13px}
.strip{width:100%;height:20px;display:block}
.card{background:var(--card);border:1px solid var(--rule);border-radius:6px;padding:14px 18px 16px;margin:0 0 16px}
.head{display:flex;flex-wrap:wrap;gap:0 16px;align-items:baseline;justify-content:space-between}.head h2{margin:0}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(215px,1fr));gap:10px 24px;margin:12px 0 14px}
.facts dt{color:var(--soft);font-size:12px}.facts dd{margin:0}
figure{margin:0 0 4px}figcaption{font-size:12px;color:var(--soft);margin-top:8px}
.line,.lane svg{display:block;overflow:visible}
.line text{font-size:12px;fill:var(--soft)}
.label text{fill:var(--ink);paint-order:stroke;stroke:var(--card);stroke-width:4px;stroke-linejoin:round}
.slot{fill:var(--rail);stroke:var(--card);stroke-width:1;vector-effect:non-scaling-stroke}
.slot.ahead{fill:var(--ahead);stroke:var(--ring)}.slot.current{stroke:var(--current)}
.slot.gap{fill:url(#none);stroke:var(--trouble)}.slot.expired{fill:url(#due);stroke:var(--due)}
.slot.tomake{fill:none;stroke:var(--attention);stroke-dasharray:3 2}
.fill{fill:var(--kept);stroke:var(--card);stroke-width:1}.fill.current{fill:var(--current)}.fill.expired{fill:var(--due)}
.fill.ahead{fill:var(--ring)}
.key.kept,.strip .kept{fill:var(--kept)}.key.current,.strip .current{fill:var(--current)}
.flaw{fill:url(#none);stroke:var(--trouble)}
.due{stroke:var(--due);stroke-width:1.2;fill:none}.none{stroke:var(--trouble);stroke-width:1;fill:none}
.axis{stroke:var(--soft)}.arrow path{fill:var(--ink);stroke:var(--card)}
.mark{stroke:var(--ink);stroke-width:1.5;fill:none;vector-effect:non-scaling-stroke}
.mark.cutoff{stroke:var(--due);stroke-dasharray:5 3}.mark.horizon{stroke:var(--soft);stroke-dasharray:2 2}
.mark.watermark{stroke:var(--paused);stroke-width:2.5}
.lane{margin-top:9px}.lane p{margin:0 0 2px;font-size:13px}
.rail{fill:var(--rail)}.bar.rollup{fill:var(--paused)}
.bar.detached{fill:none;stroke:var(--soft);stroke-dasharray:3 2}.bar.stray{fill:url(#none);stroke:var(--trouble)}
.meter{vertical-align:0}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:2px 16px;margin:6px 0 8px;padding:0;font-size:12px;color:var(--soft)}
.legend svg{vertical-align:-2px}
details{margin:4px 0}summary{cursor:pointer;color:var(--link);padding:2px 0}
.columns{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);gap:0 36px}
.conditions th[scope=row]{width:205px}.conditions .is{color:var(--soft)}
.steps{margin:0;padding:0;list-style:none}.steps li{padding:6px 0;border-top:1px solid var(--rule)}
.steps+p{margin-top:12px}.steps details{margin:0}.steps details p{margin:0}
.kind{display:inline-block;min-width:58px;font-weight:600;color:var(--soft)}
.kind.adds{color:var(--well)}.kind.removes{color:var(--trouble)}.kind.changes,.kind.next{color:var(--working)}
.refusal{border-left:3px solid var(--trouble);padding-left:12px;margin:8px 0}
code{font:12px/1.45 ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace}
@media (max-width:900px){.wide{display:none}.columns{grid-template-columns:minmax(0,1fr)}}
@media (max-width:640px){body{padding:0 12px 32px}.who{grid-template-columns:minmax(0,1fr)}.card{padding:12px}
.broad{display:none}.narrow{display:inline}.fleet th,.fleet td{padding:7px 10px}.fleet th:nth-child(3){width:104px}
.line .wide{display:none}.conditions thead{display:none}.conditions th,.conditions td{display:block;padding:0}
.conditions th[scope=row]{width:auto;padding-top:7px}.conditions td{padding-bottom:7px}
.facts{grid-template-columns:minmax(0,1fr)}}
)css";

// The hash is that of the style, so that no other one counts: a test knows how
// it is made.
const char* const kStatusPagePolicy =
    "default-src 'none'; style-src 'sha256-lPcP4YwVHSXHIEghFWbH7TXMu//d2jU0cM1S+4iIQ3g='; base-uri 'none'; "
    "form-action 'none'; "
    "frame-ancestors 'none'";

}  // namespace partition_controller
