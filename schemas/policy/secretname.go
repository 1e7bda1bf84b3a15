package policy

// IsSecretName reports whether name can be the name of a secret: 1 to 64 upper-case letters, digits and underscores that
// begin with a letter.
func IsSecretName(name string) bool { return secretName.MatchString(name) }
