// Asks the real CEL what an admission policy (JSON on standard input) lets pass: one line an attempt, name and answer.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/ext"
)

type rule struct {
	Name       string `json:"name"`
	Message    string `json:"message"`
	Expression string `json:"expression"`
}

type question struct {
	Conditions  []rule `json:"conditions"`
	Variables   []rule `json:"variables"`
	Validations []rule `json:"validations"`
	Attempts    []struct {
		Name  string         `json:"name"`
		Facts map[string]any `json:"facts"`
	} `json:"attempts"`
}

type judge struct{ env *cel.Env }

func (j judge) value(expression string, facts map[string]any) (any, error) {
	ast, issues := j.env.Compile(expression)
	if issues.Err() != nil {
		return nil, issues.Err()
	}
	program, err := j.env.Program(ast)
	if err != nil {
		return nil, err
	}
	result, _, err := program.Eval(facts)
	if err != nil {
		return nil, err
	}
	return result.Value(), nil
}

func (j judge) holds(expression string, facts map[string]any) bool {
	value, err := j.value(expression, facts)
	return err == nil && value == true
}

// answer follows the API server: conditions decide whether the policy speaks, the first validation that fails denies.
func (j judge) answer(asked question, facts map[string]any) string {
	for _, condition := range asked.Conditions {
		if !j.holds(condition.Expression, facts) {
			return "ALLOWED"
		}
	}
	variables := map[string]any{}
	facts["variables"] = variables
	for _, variable := range asked.Variables {
		if value, err := j.value(variable.Expression, facts); err == nil {
			variables[variable.Name] = value
		}
	}
	for _, validation := range asked.Validations {
		if !j.holds(validation.Expression, facts) {
			return "DENIED " + validation.Message
		}
	}
	return "ALLOWED"
}

func main() {
	var asked question
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		log.Fatal(err)
	}
	var known []cel.EnvOption
	for _, name := range []string{"object", "oldObject", "namespaceObject", "request", "variables"} {
		known = append(known, cel.Variable(name, cel.DynType))
	}
	env, err := cel.NewEnv(append(known, ext.Strings())...)
	if err != nil {
		log.Fatal(err)
	}
	for _, attempt := range asked.Attempts {
		fmt.Printf("%s\t%s\n", attempt.Name, judge{env}.answer(asked, attempt.Facts))
	}
}
