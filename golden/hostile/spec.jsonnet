// Texts that try to break out of every target language. All of them are allowed, and none of them may add a directive,
// a rule, a command or a file.
local nasty = [
  'a"b', "a'b", 'a`id`b', 'a$(id)b', 'a${HOME}b', 'a\\b', 'a%nb%%c%', 'a;reboot', 'a|b&c', 'a<b>c', 'a#b', '[Service]',
  'ExecStart=/bin/sh', '; flush ruleset', 'ALL ALL=(ALL) NOPASSWD: ALL', '*', '~root', '-rf', '{{prompt}', '<!-- -->',
  '| cell |', 'EOF', "'\"'\"'", '\\x41', '$$', '!!', 'a b  c', 'ünïcödé 漢字',
];
local all = std.join(' ', nasty);
{
  version: 'fleet/v1',
  project: 'hostile',
  description: all,
  egress: { allow: [{ host: 'example.com', note: all }] },
  agents: {
    target: {
      harness: 'demo',
      name: all,
      role: all,
      prompt: std.join('\n', nasty) + '\n',
      instructions: [all, { text: std.join('\n', nasty) }],
      env: { ['NASTY_%d' % i]: nasty[i] for i in std.range(0, std.length(nasty) - 1) },
      git: { name: "O'Brien \"Bobby\" $(id) \\ %n", email: "o'brien+$(id)@example.com" },
      hooks: { before: { script: std.join('\n', ['# ' + n for n in nasty]) + '\ntrue\n' } },
      schedules: { job: { every: '1h', prompt: all } },
    },
  },
}
