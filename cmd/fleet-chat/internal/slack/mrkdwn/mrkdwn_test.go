package mrkdwn

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFromMarkdown(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"plain", "hello\nthere", "hello\nthere"},
		{"paragraphs", "a\n\n\n\nb", "a\n\nb"},
		{"escaped", "1 < 2 && 3 > 2", "1 &lt; 2 &amp;&amp; 3 &gt; 2"},
		{"bold, italic, struck", "**a** *b* __c__ _d_ ~~e~~", "*a* _b_ *c* _d_ ~e~"},
		{"bold in bold", "# the **big** one", "*the big one*"},
		{"both", "***x***", "_*x*_"},
		{"heading", "# Title\ntext\n\n### Sub", "*Title*\n\ntext\n\n*Sub*"},
		{"snake_case", "a snake_case_name and 2*3*4", "a snake_case_name and 2*3*4"},
		{"list", "- a\n- b\n  - c\n\n1. x\n2. y", "• a\n• b\n    • c\n\n1. x\n2. y"},
		{"list from 3", "3. x\n4. y", "3. x\n4. y"},
		{"task list", "- [ ] a\n- [x] b", "• [ ] a\n• [x] b"},
		{"quote", "> a\n> b\n\nc", "&gt; a\n&gt; b\n\nc"},
		{"code", "`a<b`", "`a&lt;b`"},
		{"code with ticks", "`` a`b ``", "a`b"},
		{"fence", "```go\nif a < b {\n\treturn\n}\n```", "```\nif a &lt; b {\n\treturn\n}\n```"},
		{"fence in fence", "````\n```\nx\n```\n````", "```\n`\u200b`\u200b`\nx\n`\u200b`\u200b`\n```"},
		{"indented code", "a\n\n    x < y", "a\n\n```\nx &lt; y\n```"},
		{"rule", "a\n\n---\n\nb", "a\n\n───\n\nb"},
		{"link", "[the page](https://e.org/?a=1&b=2)", "<https://e.org/?a=1&amp;b=2|the page>"},
		{"link with a bar", "[x](https://e.org/a|b>c)", "<https://e.org/a%7Cb%3Ec|x>"},
		{"bar in the label", "[a|b](https://e.org)", "a|b (<https://e.org>)"},
		{"mail", "<a@e.org> and [mail](mailto:a@e.org)", "<mailto:a@e.org> and <mailto:a@e.org|mail>"},
		{"autolink", "<https://e.org/x>", "<https://e.org/x>"},
		{"bare link", "see https://e.org/x_y_z", "see https://e.org/x_y_z"},
		{"picture", "![a cat](https://e.org/cat.png)", "<https://e.org/cat.png|a cat>"},
		{"picture in link", "[![alt](https://e.org/i)](https://e.org)", "<https://e.org/i|alt> (<https://e.org>)"},
		{"reference", "[a][1]\n\n[1]: https://e.org", "<https://e.org|a>"},
		{"only a definition", "[1]: https://e.org", "[1]: https://e.org"},
		{"html", "<b>x</b>\n\n<div>\ny\n</div>", "&lt;b&gt;x&lt;/b&gt;\n\n&lt;div&gt;\ny\n&lt;/div&gt;"},
		{"table", "| a | b |\n|---|---|\n| 1 | 2 |", "| a | b |\n|---|---|\n| 1 | 2 |"},
		{"backslash", `\*no\* \<x\>`, "*no* &lt;x&gt;"},
		{"entity", "&copy; &lt;!here&gt; &amp;lt;", "© &lt;!here&gt; &amp;lt;"},
		{"control characters", "a\x1b[31mb\x07", "a[31mb"},
		{"other lines' ends", "a\r\nb", "a\nb"},
		{"empty", " \n ", ""},

		// What would be live in Slack.
		{
			"here", "<!here> <!channel> <!everyone> <!subteam^S1> <@U1> <#C1>",
			"&lt;!here&gt; &lt;!channel&gt; &lt;!everyone&gt; &lt;!subteam^S1&gt; &lt;@U1&gt; &lt;#C1&gt;",
		},
		{"here in code", "`<!here>`\n\n```\n<!here>\n```", "`&lt;!here&gt;`\n\n```\n&lt;!here&gt;\n```"},
		{"here as address", "[x](!here) [y](<!channel>) [z](@U1)", "x (!here) y (!channel) z (@U1)"},
		{"here in an address", "[x](https://e.org/<!here>)", "<https://e.org/%3C!here%3E|x>"},
		{"here in a label", "[<!here>](https://e.org)", "<https://e.org|&lt;!here&gt;>"},
		{"script", "[x](javascript:alert(1))", "x (javascript:alert(1))"},
		{"no address", "[x]()", "x ()"},

		// What would deceive.
		{"label as address", "[https://bank.example](https://evil.example)", "https://bank.example (<https://evil.example>)"},
		{"label as host", "[bank.example/login](https://evil.example)", "bank.example/login (<https://evil.example>)"},
		{"label as its address", "[https://e.org](https://e.org)", "<https://e.org>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, FromMarkdown(tt.in)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPlain(t *testing.T) {
	names := func(id string) string { return map[string]string{"U1": "Grace", "U2": "x> <@U1>"}[id] }
	for _, tt := range []struct{ name, in, want string }{
		{"plain", "a &lt;b&gt; &amp;amp; c", "a <b> &amp; c"},
		{"user", "<@U1> and <@U1|old>", "@Grace and @Grace"},
		{"a name is only a name", "<@U2>", "@x> <@U1>"},
		{"channel", "<#C1|general> <#C2>", "#general #C2"},
		{"special", "<!here> <!channel|channel> <!subteam^S1|@team> <!subteam^S2>", "@here @channel @team @subteam^S2"},
		{"date", "<!date^1392734382^{date}|Feb 18>", "Feb 18"},
		{
			"link", "<https://e.org> <https://e.org|here> <https://e.org|https://e.org>",
			"https://e.org here (https://e.org) https://e.org",
		},
		{"mail", "<mailto:a@e.org|a@e.org>", "a@e.org"},
		{"address with entities", "<https://e.org/?a=1&amp;b=2>", "https://e.org/?a=1&b=2"},
		{"no token", "a < b <> <@> <\n>", "a < b <> @ <\n>"},
		{"not ended", "a <@U1", "a <@U1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, Plain(Parse(tt.in), names)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// live is all that Slack may read as more than text in what we write.
var live = regexp.MustCompile(`&(amp|lt|gt);|<(?i:https?://|mailto:)[^<>|\s]+(\|[^<>|\n]+)?>`)

func FuzzFromMarkdown(f *testing.F) {
	for _, seed := range []string{
		"**a** <!here> [x](https://e.org)", "```\n<@U1>\n```", "> - 1. `x`", "[a|b](<https://e.org/ |<>>)", "![](mailto:<!here>)",
		"<https://e.org/<!here>>", "&lt;!channel&gt;", "[x](https://e\u2028<!here>)", "<a href=\"<!here>\">", "\x00<!here>",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		out := FromMarkdown(in)
		if rest := live.ReplaceAllString(out, ""); strings.ContainsAny(rest, "<>&") {
			t.Errorf("%q becomes %q", in, out)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"<@U1> a", "<<@U1>>", "<a|b|c>", "&amp;lt;", "<!date^1^x|y"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		Plain(Parse(in), func(id string) string { return id })
		if text := Plain(Parse(Escape(in)), nil); text != unescaper.Replace(Escape(in)) {
			t.Errorf("what is escaped is not plain: %q", text)
		}
	})
}
