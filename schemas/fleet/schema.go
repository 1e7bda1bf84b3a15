package fleet

import _ "embed" // the schema

// Schema is the JSON Schema of a spec, draft 2020-12. Beside the standard's keywords it uses:
//
//	errorMessage  what a faulty value is not, such as "is not a duration" (editors show it too)
//	x-hint        how to write the value
//	x-type        what people call the type, where the standard's name says less
//	x-multiline   the text may hold newlines and tabs; no other text may
//
//go:embed fleet.schema.json
var Schema []byte
