"""The style sheet of the report of a run."""

STYLE = """
:root { color-scheme: light dark; --ground: #fff; --panel: #f5f6f8; --ink: #1c2127; --soft: #626b77; --line: #d9dde3;
  --good: #1a7f47; --bad: #c0262d; --kill: #c0392b; --freeze: #2f74c0; --net: #d98613; --casino: #8e4fb5;
  --change: #1d9384; --other: #76808c; }
@media (prefers-color-scheme: dark) { :root { --ground: #14171b; --panel: #1e2329; --ink: #e4e7eb; --soft: #9aa4b0;
  --line: #343b44; --good: #3fbf78; --bad: #f0626a; --kill: #ea6a5e; --freeze: #62a5ee; --net: #eda948;
  --casino: #bd87e0; --change: #45c2b2; --other: #96a0ac; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 14px/1.45 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 24px 20px 48px; }
h1 { font-size: 24px; margin: 0 0 8px; }
h2 { font-size: 17px; margin: 32px 0 8px; }
header dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 12px 0 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
.verdict { display: inline-block; margin: 0; padding: 6px 14px; border-radius: 6px; font-size: 18px; font-weight: 600;
  color: var(--ground); background: var(--soft); }
.verdict.good { background: var(--good); }
.verdict.bad { background: var(--bad); }
.violations pre { margin: 4px 0 12px; padding: 8px 10px; border-left: 3px solid var(--bad); background: var(--panel);
  white-space: pre-wrap; overflow-wrap: anywhere; font-size: 12px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(155px, 1fr)); gap: 10px; margin-top: 24px; }
.tiles div { padding: 10px 12px; border-radius: 6px; background: var(--panel); }
.tiles b { display: block; font-size: 21px; font-weight: 600; font-variant-numeric: tabular-nums; }
.tiles span, .note { color: var(--soft); }
.note { margin: 4px 0 8px; max-width: 110ch; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 4px 0 10px; }
.legend i { display: inline-block; width: 11px; height: 11px; margin-right: 6px; border-radius: 2px; }
.two { display: grid; grid-template-columns: 1fr 1fr; gap: 0 32px; }
table { width: 100%; border-collapse: collapse; font-size: 13px; }
th { text-align: left; color: var(--soft); font-weight: 600; }
th, td { padding: 4px 10px 4px 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
th { overflow-wrap: normal; }
td.n { font-variant-numeric: tabular-nums; white-space: nowrap; }
svg { display: block; width: 100%; height: auto; font: 11px system-ui, sans-serif; }
svg text { fill: var(--ink); }
svg .soft { fill: var(--soft); }
svg .end { text-anchor: end; }
svg .mid { text-anchor: middle; }
svg .grid { stroke: var(--line); stroke-width: 1; }
svg polyline { fill: none; stroke-width: 1.4; stroke-linejoin: round; }
svg .thick { stroke-width: 4; stroke-opacity: .45; stroke-linecap: round; }
svg .area { fill-opacity: .18; }
svg .band { fill-opacity: .1; }
.f-kill { fill: var(--kill); } .f-freeze { fill: var(--freeze); } .f-net { fill: var(--net); }
.f-casino { fill: var(--casino); } .f-change { fill: var(--change); } .f-other { fill: var(--other); }
.s-kill { stroke: var(--kill); } .s-freeze { stroke: var(--freeze); } .s-net { stroke: var(--net); }
.s-casino { stroke: var(--casino); } .s-change { stroke: var(--change); } .s-other { stroke: var(--other); }
.b-kill { background: var(--kill); } .b-freeze { background: var(--freeze); } .b-net { background: var(--net); }
.b-casino { background: var(--casino); } .b-change { background: var(--change); }
.b-other { background: var(--other); }
.f-a { fill: var(--good); } .f-b { fill: var(--bad); } .f-c { fill: var(--freeze); } .f-d { fill: var(--casino); }
.s-a { stroke: var(--good); } .s-b { stroke: var(--bad); } .s-c { stroke: var(--freeze); }
.s-d { stroke: var(--casino); }
@media print { :root { color-scheme: light; --ground: #fff; --panel: #f5f6f8; --ink: #000; --soft: #555; --line: #ccc; }
  body { font-size: 11px; } main { max-width: none; padding: 0; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  svg, tr, .tiles div { break-inside: avoid; } h2 { break-after: avoid; } thead { display: table-header-group; } }
"""
