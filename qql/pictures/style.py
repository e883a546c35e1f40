"""How pictures look: in the light and in the dark, on a wide page and on a narrow one."""

from __future__ import annotations

__all__ = ["FLOW_STYLE", "STYLE"]

_LIGHT = (
    "--paper:#fff;--ink:#1b2330;--soft:#566173;--line:#d5dbe3;--card:#f6f8fa;"
    "--slot:#8b98a9;--found:#5f7fa6;--band:#8fa9c8;--hits:#d9480f;--good:232,89,12;"
)
_DARK = (
    "--paper:#12161c;--ink:#e7ebf1;--soft:#a3afbf;--line:#323b47;--card:#1a2029;"
    "--slot:#7d8a9b;--found:#7f9dc4;--band:#5d7da5;--hits:#ff9248;--good:255,146,72;"
)

_FLOW = """
.qql-flow .qql-name{font-weight:600;fill:var(--ink)}
.qql-flow .qql-does,.qql-flow .qql-said{fill:var(--soft)}
.qql-flow .qql-stage text{paint-order:stroke;stroke:var(--paper);stroke-width:4px;stroke-linejoin:round}
.qql-flow .qql-kept{fill:var(--ink);font-size:11px}
.qql-halo{fill:var(--paper);opacity:.85}
.qql-slots{fill:none;stroke:var(--slot);stroke-dasharray:3 3}
.qql-band{fill:var(--band);opacity:.42}
.qql-band-hits{fill:var(--hits);opacity:.75}
"""
FLOW_STYLE = (
    f".qql-flow{{{_LIGHT}font:12px system-ui,-apple-system,'Segoe UI',sans-serif}}"
    f"@media (prefers-color-scheme:dark){{.qql-flow{{{_DARK}}}}}"
    f"{_FLOW}.qql-found{{fill:var(--found)}}.qql-hits{{fill:var(--hits)}}"
)
"""For a picture of the stages that is a file of its own."""

STYLE = f"""
.qql-page{{{_LIGHT}color:var(--ink);background:var(--paper);
font:14px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif;
container-type:inline-size;max-width:1240px;margin:0 auto;padding:16px;box-sizing:border-box;text-align:left}}
@media (prefers-color-scheme:dark){{.qql-page{{{_DARK}}}}}
[data-jp-theme-light=true] .qql-page,.vscode-light .qql-page{{{_LIGHT}}}
[data-jp-theme-light=false] .qql-page,.vscode-dark .qql-page{{{_DARK}}}
"""
STYLE += _FLOW
STYLE += """
.qql-page *{box-sizing:border-box}
.qql-page h1{font-size:20px;line-height:1.3;margin:0 0 4px;overflow-wrap:anywhere}
.qql-page h2{font-size:16px;margin:28px 0 8px}
.qql-page h3{font-size:14px;margin:0;overflow-wrap:anywhere}
.qql-page p,.qql-page ul{margin:4px 0}
.qql-page ul{padding-left:18px}
.qql-page pre{background:var(--card);border:1px solid var(--line);border-radius:6px;padding:10px;
overflow-x:auto;
font:12px/1.5 ui-monospace,Menlo,Consolas,monospace;white-space:pre-wrap;overflow-wrap:anywhere;margin:6px 0}
.qql-page summary{cursor:pointer;color:var(--soft)}
.qql-page figure{margin:12px 0}
.qql-page figcaption,.qql-page .qql-small,.qql-page caption{color:var(--soft);font-size:12px}
.qql-scroll{overflow-x:auto;max-width:100%}
.qql-scroll:focus-visible{outline:2px solid var(--found)}
.qql-flow{display:block;font:12px system-ui,-apple-system,"Segoe UI",sans-serif}
.qql-flow.down{display:none}
.qql-page .qql-found{fill:var(--found);background:var(--found)}
.qql-page .qql-hits{fill:var(--hits);background:var(--hits)}
.qql-key{display:inline-block;width:12px;height:12px;border-radius:2px;vertical-align:-1px;
margin:0 4px 0 12px}
.qql-key.slots{border:1px dashed var(--slot)}
.qql-cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(290px,1fr));gap:12px}
.qql-card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px;min-width:0}
.qql-card p,.qql-card li{overflow-wrap:anywhere;font-size:13px}
.qql-histogram{width:100%;max-width:320px;display:block;margin:6px 0}
.qql-axis{fill:none;stroke:var(--slot)}
.qql-median{stroke:var(--ink);stroke-dasharray:2 2}
.qql-tick{fill:var(--soft);font:10px system-ui,sans-serif}
.qql-page table{border-collapse:collapse;font-size:13px;background:none;color:inherit;margin:0}
.qql-page caption{text-align:left;padding:0 0 4px;caption-side:top}
.qql-page th,.qql-page td{border:1px solid var(--line);padding:3px 8px;text-align:right;background:none;
white-space:nowrap;color:inherit}
.qql-page tbody th,.qql-page thead th:first-child{text-align:left;font-weight:500}
.qql-page thead th{font-weight:600;white-space:normal;min-width:72px;max-width:150px;overflow-wrap:anywhere}
.qql-page td.qql-rank{background:rgba(var(--good),calc(var(--qql-strength)*.38))}
.qql-page td.qql-none{color:var(--soft)}
.qql-page td.qql-self{color:var(--soft);font-style:italic}
.qql-bar{display:inline-block;width:110px;height:10px;border:1px solid var(--line);border-radius:3px;
overflow:hidden}
.qql-bar>span{display:block;height:100%}
.qql-warning{border-left:3px solid var(--hits);padding-left:8px}
@container (max-width:700px){.qql-flow.across{display:none}.qql-flow.down{display:block}}
@media print{.qql-page{max-width:none}.qql-scroll{overflow:visible}}
"""
