// {{turn}} is a text here
