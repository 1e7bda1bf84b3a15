package chatctl

import (
	"slices"

	"fleet/schemas/chat"
)

// Merge puts messages of several channels in the order of their times; those of one list stay in theirs, whatever the clock
// has done.
func Merge(lists [][]chat.Message) []chat.Message {
	lists = slices.DeleteFunc(slices.Clone(lists), func(l []chat.Message) bool { return len(l) == 0 })
	var out []chat.Message
	for len(lists) > 0 {
		first := 0
		for i := range lists {
			if lists[i][0].Time.Before(lists[first][0].Time) {
				first = i
			}
		}
		out = append(out, lists[first][0])
		if lists[first] = lists[first][1:]; len(lists[first]) == 0 {
			lists = slices.Delete(lists, first, first+1)
		}
	}
	return out
}
