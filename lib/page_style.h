/* How the status page looks. A browser takes the style only if its hash is the one below; a test computes it anew, and says what
 * it has to be. */
#pragma once

#define PAGE_STYLE_HASH "sha256-rxf/istHNwgnB6rs+ZsgQPKxyXNc6wFrTWn28bYYouY="

#define PAGE_STYLE \
	":root{color-scheme:light dark;--bg:#f4f5f7;--card:#fff;--fg:#1c2024;--dim:#5d6670;--line:#dfe3e8;--code:#eef1f4;" \
	"--ok:#1a7f37;--busy:#0b62c4;--warn:#9a5b00;--bad:#c0182a;--off:#6a737d;--track:#e3e7ec}" \
	"@media(prefers-color-scheme:dark){:root{--bg:#0f1216;--card:#181c22;--fg:#e6e9ed;--dim:#9aa4af;--line:#2b313a;--code:#232932;" \
	"--ok:#4cc46a;--busy:#5aa9ff;--warn:#e3a03a;--bad:#ff6b75;--off:#8b949e;--track:#2b323c}}" \
	"*{box-sizing:border-box}" \
	"body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\"," \
	"\"Liberation Sans\",sans-serif;font-variant-numeric:tabular-nums;-webkit-text-size-adjust:100%}" \
	"body>*{max-width:76rem;margin:0 auto;padding:0 1rem}" \
	"body>header{padding-top:1.5rem;padding-bottom:.75rem}" \
	"h1{margin:0;font-size:.85rem;font-weight:600;color:var(--dim)}" \
	"body>header p{margin:.1rem 0 0;font-size:1.5rem;line-height:1.3;font-weight:650;letter-spacing:-.01em}" \
	"main{columns:27rem;column-gap:1rem}" \
	"article{break-inside:avoid;margin-bottom:1rem;--tone:var(--off);background:var(--card);border:1px solid var(--line);border-left:4px solid var(--tone);" \
	"border-radius:8px;padding:.9rem 1.1rem 1rem;min-width:0;overflow-wrap:anywhere}" \
	".ok{--tone:var(--ok)}.busy{--tone:var(--busy)}.warn{--tone:var(--warn)}.bad{--tone:var(--bad)}.off{--tone:var(--off)}" \
	".wide{column-span:all}.wide h2 small{display:inline;margin-left:.6em}" \
	"article>header{display:flex;gap:.75rem;align-items:baseline;justify-content:space-between}" \
	"h2{margin:0;font-size:1.08rem;line-height:1.35;font-weight:650}" \
	"h2 small{display:block;font-size:.85rem;font-weight:400;color:var(--dim)}" \
	".state{flex:none;color:var(--tone);font-size:.85rem;font-weight:650;white-space:nowrap}" \
	".state::before{content:\"\";display:inline-block;width:.6em;height:.6em;margin-right:.45em;border-radius:50%;" \
	"background:var(--tone)}" \
	"article p{margin:.55rem 0 0}" \
	".why{color:var(--dim);font-size:.92rem}.why::first-letter{text-transform:uppercase}" \
	".note{border-top:1px solid var(--line);margin-top:.8rem;padding-top:.25rem}" \
	".note ul{margin:.35rem 0 0;padding-left:1.1rem;font-size:.92rem}.note li span{color:var(--dim)}" \
	"strong{font-weight:650}.tone{color:var(--tone)}" \
	"code{display:block;margin-top:.35rem;padding:.45rem .65rem;border-radius:6px;background:var(--code);" \
	"font:13px/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,\"Liberation Mono\",monospace;user-select:all}" \
	"progress{display:block;width:100%;height:10px;margin-top:.4rem;border:0;border-radius:5px;overflow:hidden;" \
	"background:var(--track);-webkit-appearance:none;appearance:none}" \
	"progress::-webkit-progress-bar{background:var(--track)}progress::-webkit-progress-value{background:var(--busy)}" \
	"progress::-moz-progress-bar{background:var(--busy)}" \
	"dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;margin:.8rem 0 0;padding-top:.7rem;" \
	"border-top:1px solid var(--line);font-size:.92rem}dt{color:var(--dim)}dd{margin:0;text-align:right}" \
	"dd small{color:var(--dim);font-size:1em}" \
	"footer{padding-top:1rem;padding-bottom:2rem;color:var(--dim);font-size:.85rem}a{color:inherit}" \
	"@media(max-width:30rem){body{font-size:16px}body>*{padding-left:.75rem;padding-right:.75rem}body>header p{font-size:1.3rem}}"
