package split

import "strings"

// fence is the block of code that is open at some place of a text: its run of three or more backticks, and the language
// after it. The zero value is none. Any such run opens or closes a block, at the start of a line or not, as Discord and
// Slack read it; Markdown proper sees the same blocks where they are well formed.
type fence struct{ run, info string }

// infoMost is how long a language's name may be to be written again.
const infoMost = 32

// after returns the fence that is open after a further piece of text.
func (f fence) after(text string) fence {
	for {
		start := strings.Index(text, "```")
		if start < 0 {
			return f
		}
		run := text[start : start+len(text[start:])-len(strings.TrimLeft(text[start:], "`"))]
		text = text[start+len(run):]
		switch {
		case f.run == "":
			f = fence{run, info(text)}
		case len(run) >= len(f.run):
			f = fence{}
		}
	}
}

// info returns the language that a block names, if the rest of its first line is one word.
func info(text string) string {
	line, _, whole := strings.Cut(text, "\n")
	line = strings.TrimRight(line, "\r")
	if !whole || len(line) > infoMost || strings.ContainsAny(line, "` \t") {
		return ""
	}
	return line
}

// opening returns what opens the block again, "" if there is none or the limit is too small for such help.
func (f fence) opening(limit int, unit Unit) string {
	if !f.fits(limit, unit) {
		return ""
	}
	return f.run + f.info + "\n"
}

// closing returns what closes the block after a text.
func (f fence) closing(text string, limit int, unit Unit) string {
	if !f.fits(limit, unit) {
		return ""
	}
	if strings.HasSuffix(text, "\n") {
		return f.run
	}
	return "\n" + f.run
}

func (f fence) fits(limit int, unit Unit) bool {
	return f.run != "" && 4*unit(f.run+f.info+"\n\n"+f.run) <= limit
}
