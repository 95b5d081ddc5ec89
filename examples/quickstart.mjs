// Two users ask about one text: the second one's prompt is not computed again.
import { load } from 'paged-attention';

const llm = await load(); // the model that comes with the package
const facts = { role: 'system', content: 'The vault code of Amber is 4217. Omar lives in Lisbon.' };

const ann = await llm.chat([facts, { role: 'user', content: 'What is the vault code of Amber?' }]);
const ben = await llm.chat([facts, { role: 'user', content: 'Where does Omar live?' }]);

console.log(ann.text, ann.usage);
console.log(ben.text, ben.usage); // cachedTokens: the facts, which Ben never paid for
await llm.close();
