package fleet

// Kinds of a provider.
const (
	KindAnthropic = "anthropic" // Anthropic's API at another address
	KindOpenAI    = "openai"    // OpenAI's
	KindBedrock   = "bedrock"
	KindVertex    = "vertex"
	KindOllama    = "ollama"
)

// Provider is where models are asked, instead of at the vendor of an agent's harness.
type Provider struct {
	Kind    string            `json:"kind"`
	URL     string            `json:"url,omitempty"` // "" is the one of the kind, see HarnessProvider
	Region  string            `json:"region,omitempty"`
	Project string            `json:"project,omitempty"`
	Secret  string            `json:"secret,omitempty"` // name of the credential; "" is none
	Private bool              `json:"private"`          // as of an egress rule
	Models  map[string]string `json:"models"`           // an agent's model to its name there
	Note    string            `json:"note,omitempty"`
}

// HarnessProvider is what a harness does to ask models of a provider of one kind. Texts may hold {{model}} and the
// variables that ProviderVariables names; a variable of the environment or a setting with one that stands for nothing is
// left out.
type HarnessProvider struct {
	URL      string            `json:"url,omitempty"`    // where the provider names none; "": it must
	Needs    []string          `json:"needs"`            // what it cannot do without: keys of the provider, or the agent's model
	Header   string            `json:"header,omitempty"` // in which {{provider.header}} is sent
	Model    string            `json:"model,omitempty"`  // what the harness calls a model of it; "" is {{model}}
	Env      map[string]string `json:"env"`
	Settings map[string]any    `json:"settings"` // laid over those of the harness
}

// ProviderVariables are what texts of a HarnessProvider may stand for, and {{provider.models.NAME}}. The last four are the
// placeholder of the provider's secret by its place in a request, so that at most one of them stands for something, and the
// ID that goes with a signing key. Without a secret bearer is the word none.
var ProviderVariables = []string{
	"{{provider.url}}", "{{provider.region}}", "{{provider.project}}",
	"{{provider.bearer}}", "{{provider.header}}", "{{provider.sigv4}}", "{{provider.keyId}}",
}

// LaidSettings says whether the harness has settings for providers or for its login.
func (h *Harness) LaidSettings() bool {
	if h.Login != nil && len(h.Login.Settings) > 0 {
		return true
	}
	for _, p := range h.Providers {
		if len(p.Settings) > 0 {
			return true
		}
	}
	return false
}
