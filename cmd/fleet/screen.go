package main

import (
	"os"
	"time"

	"golang.org/x/term"

	"fleet/cmd/fleet/internal/statustext"
)

// view says how results are shown on what they are written to.
func (a *app) view() statustext.View {
	return statustext.View{Now: time.Now(), Width: a.width(), Color: a.color()}
}

// width returns the columns of the terminal that results go to, 0 where it is none.
func (a *app) width() int {
	f, ok := a.out.(*os.File)
	if !ok {
		return 0
	}
	w, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return w
}
