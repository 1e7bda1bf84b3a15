package github

// Shorten has bodies of so many characters at most: tests of what is long take less time.
func (b *Backend) Shorten(most int) { b.body = most }
