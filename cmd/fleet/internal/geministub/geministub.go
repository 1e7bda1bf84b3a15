// Package geministub stands in for Google's Gemini API, at its own paths and at those of Vertex AI, so that tests run the real
// Gemini CLI without an account or a network. It answers every prompt with one short text, or as the prompt orders; see
// package standin. Tests only: no command links it.
package geministub

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"fleet/cmd/fleet/internal/standin"
)

// Server is the stand-in; it needs a Book.
type Server struct{ *standin.Book }

// pathRe is generateContent of a model, whole or as a stream.
var pathRe = regexp.MustCompile(`/models/([^/:]+):(generateContent|streamGenerateContent)$`)

// ServeHTTP answers generateContent and streamGenerateContent, and countTokens; everything else is 404.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var q request
	body := standin.Read(r, &q)
	at := pathRe.FindStringSubmatch(r.URL.Path)
	if at == nil {
		s.Note(r, standin.Request{Body: body})
		if strings.HasSuffix(r.URL.Path, ":countTokens") {
			standin.JSON(w, http.StatusOK, object{"totalTokens": standin.InputTokens})
			return
		}
		fail(w, http.StatusNotFound, "NOT_FOUND", "the stand-in has no "+r.URL.Path)
		return
	}
	prompt := q.prompt()
	s.Note(r, standin.Request{Model: at[1], Prompt: prompt, Body: body})
	order := standin.Orders(prompt)
	switch {
	case order.Fail != nil:
		fail(w, order.Fail.Status, order.Fail.Type, order.Fail.Text)
	case !order.Limit.IsZero():
		usedUp(w, at[1], "GenerateRequestsPerMinutePerProjectPerModel", standin.Wait(order.Limit))
	case !order.Rate.IsZero(): // the time that it names is not that of the day's end
		usedUp(w, at[1], "GenerateRequestsPerDayPerProjectPerModel", time.Minute/2)
	case at[2] == "generateContent":
		standin.JSON(w, http.StatusOK, q.answer(at[1], order.Command))
	default:
		w.Header().Set("Content-Type", "text/event-stream")
		standin.Event(w, "", q.answer(at[1], order.Command))
	}
}

type object = map[string]any

// usedUp is the answer for a key whose quota is used up: that of a day, or one of shorter spans.
func usedUp(w http.ResponseWriter, model, quota string, wait time.Duration) {
	text := fmt.Sprintf("You exceeded your current quota, please check your plan and billing details.\n"+
		"* Quota exceeded for metric: generativelanguage.googleapis.com/generate_content_requests, limit: 50, model: %s\n"+
		"Please retry in %ds.", model, int(wait.Seconds()))
	standin.JSON(w, http.StatusTooManyRequests, object{"error": object{
		"code": http.StatusTooManyRequests, "status": "RESOURCE_EXHAUSTED", "message": text,
		"details": []any{
			object{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": []any{object{
				"quotaMetric": "generativelanguage.googleapis.com/generate_content_requests",
				"quotaId":     quota, "quotaValue": "50",
			}}},
			object{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": fmt.Sprintf("%ds", int(wait.Seconds()))},
		},
	}})
}

func fail(w http.ResponseWriter, status int, kind, text string) {
	standin.JSON(w, status, object{"error": object{"code": status, "status": kind, "message": text}})
}

// request is the part of a request that matters here.
type request struct {
	Contents []struct {
		Role  string `json:"role"`
		Parts []struct {
			Text             string `json:"text"`
			FunctionResponse any    `json:"functionResponse"`
		} `json:"parts"`
	} `json:"contents"`
	Tools []struct {
		Declarations []struct {
			Name string `json:"name"`
		} `json:"functionDeclarations"`
	} `json:"tools"`
}

// prompt returns the text of the last user message, "" where the result of a tool has come since.
func (q request) prompt() string {
	text := ""
	for _, c := range q.Contents {
		if c.Role != "user" {
			continue
		}
		text = ""
		for _, p := range c.Parts {
			text += p.Text + "\n"
			if p.FunctionResponse != nil {
				text = ""
				break
			}
		}
	}
	return strings.TrimSuffix(text, "\n")
}

// shells are the tools of Gemini CLI and of OpenCode for shell commands.
var shells = []string{"run_shell_command", "bash"}

func (q request) answer(model, command string) object {
	part := object{"text": standin.Done}
	for _, t := range q.Tools {
		for _, d := range t.Declarations {
			if slices.Contains(shells, d.Name) && command != "" {
				part = object{"functionCall": object{"name": d.Name, "args": object{"command": command, "description": "asked for by the prompt"}}}
			}
		}
	}
	return object{
		"candidates":   []any{object{"index": 0, "finishReason": "STOP", "content": object{"role": "model", "parts": []any{part}}}},
		"modelVersion": model, "responseId": "standin",
		"usageMetadata": object{
			"promptTokenCount": standin.InputTokens, "candidatesTokenCount": standin.OutputTokens,
			"totalTokenCount": standin.InputTokens + standin.OutputTokens,
		},
	}
}
